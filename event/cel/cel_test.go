package cel_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	gocel "cel.dev/cel-go/cel"

	"github.com/skepbpf/skep/event"
	"github.com/skepbpf/skep/event/cel"
	"github.com/skepbpf/skep/event/cel/celtest"
)

// TestAgree compares with cel-go, and with Go, on random requests; also what has no value.
func TestAgree(t *testing.T) {
	s, err := event.SchemaFor[celtest.Request]()
	if err != nil {
		t.Fatal(err)
	}
	env, err := cel.Env(s)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(20, 26))
	var requests []*celtest.Request
	var variables []map[string]any
	for range 5000 {
		q := celtest.Random(r)
		requests, variables = append(requests, q), append(variables, celtest.Variables(q))
	}
	for _, p := range celtest.Predicates {
		f, err := cel.Compile[celtest.Request](p.CEL, nil)
		if err != nil {
			t.Fatalf("%s: %v", p.CEL, err)
		}
		checked, issues := env.Compile(p.CEL)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		peer, err := env.Program(checked, gocel.EvalOptions(gocel.OptOptimize))
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range requests {
			want := event.NoValue
			v, _, err := peer.Eval(variables[i])
			if err == nil && v.Value() == true {
				want = event.True
			} else if err == nil {
				want = event.False
			}
			if got, match, plain := f.Eval(q), f.Match(q), p.Go(q); got != want || match != (want == event.True) || plain != match {
				t.Fatalf("%s: %v, %v, cel-go says %v, Go %v of %+v", p.CEL, got, match, want, plain, q)
			}
		}
		if n := testing.AllocsPerRun(100, func() { f.Match(requests[0]) }); n != 0 {
			t.Errorf("%s: %v allocations", p.CEL, n)
		}
	}
}

// TestRefused has what is not in the subset, and where errors are.
func TestRefused(t *testing.T) {
	s, err := event.SchemaFor[celtest.Request]()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`Status ==`:                            "at byte 10",
		`Nothing == 1`:                         "at byte 1",
		`Status == "x"`:                        "at byte 8",
		`Path + "x" == "y"`:                    "at byte 6: + of string and string",
		`Latency + 1.0 > 2.0`:                  "at byte 9: + of double and double",
		`Path == "ä" && Path.startsWith(Host)`: "at byte 33: startsWith needs a constant",
		`[1, 2].exists(x, x == Status)`:        "at byte",
		`Path.matches("\\bx")`:                 "at byte",
		`Status in [200u, Port]`:               "at byte 18: in needs constants",
		`{"a": 1}.a == 1`:                      "at byte",
		`size(Path)`:                           "must be true or false",
		`has(Method.x)`:                        "no field",
		`Took + duration("x") > Took`:          "at byte",
		``:                                     "Syntax error",
	} {
		e, err := cel.Parse(s, text)
		if err == nil {
			_, err = event.Compile(s, e, nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

type optional struct {
	P    *int64
	Name *string
	In   *struct{ N uint8 }
}

func TestHas(t *testing.T) {
	n, name := int64(5), "x"
	full := &optional{&n, &name, &struct{ N uint8 }{7}}
	for text, want := range map[string][2]event.Outcome{
		`has(P) && P == 5`: {event.True, event.False}, `P == 5`: {event.True, event.NoValue}, `P == 5 || !has(In.N)`: {event.True, event.True},
		`In.N == 7u && size(Name) == 1`: {event.True, event.NoValue}, `has(Name) ? Name == "y" : true`: {event.False, event.True}, `int(In.N) - 8 < 0`: {event.True, event.NoValue},
		`uint(P) == 5u && -P == -5`: {event.True, event.NoValue},
	} {
		f, err := cel.Compile[optional](text, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := [2]event.Outcome{f.Eval(full), f.Eval(&optional{})}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	s, err := event.SchemaFor[celtest.Request]()
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range celtest.Predicates {
		f.Add(p.CEL)
	}
	q := celtest.Random(rand.New(rand.NewPCG(1, 1)))
	f.Fuzz(func(t *testing.T, text string) {
		e, err := cel.Parse(s, text)
		if err != nil || strings.Count(text, "(") > 50 {
			return
		}
		p, err := event.CompileFor[celtest.Request](e, nil)
		if err != nil {
			return
		}
		checked, err := event.CompileFor[celtest.Request](e, &event.Options{Checked: true})
		if err != nil {
			t.Fatal(err)
		}
		if p.Eval(q) != checked.Eval(q) {
			t.Errorf("%q: %v and %v", text, p.Eval(q), checked.Eval(q))
		}
	})
}

package event

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep"
)

func firstRule(roots []*node, x *record) int {
	for i, n := range roots {
		if reference(n, x) == True {
			return i
		}
	}
	return -1
}

// TestRules judges random records by random sets of rules, of which many test the same fields.
func TestRules(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 9))
	hits := 0
	for round := range 60 {
		n := []int{0, 1, 5, 20, 70, 300}[round%6]
		var rules []Expr
		for i := range n {
			var terms []Expr
			if r.IntN(3) > 0 {
				terms = append(terms, Compare(Comparison(r.IntN(6)), FieldValue(pick(r, []string{"U16", "I32", "D"})), randomConst(r, Int)))
				if r.IntN(4) == 0 {
					terms[0] = Compare(Comparison(r.IntN(6)), FieldValue("I8"), IntValue(int64(r.IntN(300)-150)))
				}
			}
			if r.IntN(2) == 0 {
				terms = append(terms, Compare(Equal, FieldValue("S"), randomConst(r, String)))
			}
			if r.IntN(4) == 0 {
				terms = append(terms, In(FieldValue("Ptr.Code"), randomConst(r, Int), randomConst(r, Int), IntValue(int64(i))))
			}
			if r.IntN(3) == 0 || len(terms) == 0 {
				terms = append(terms, randomTest(r))
			}
			rules = append(rules, And(terms...))
		}
		for _, o := range []Options{{}, {Checked: true}, {Engine: skep.EngineInterp}} {
			// Duration and number do not compare.
			set, err := CompileRulesFor[record](durations(rules), &o)
			if err != nil {
				t.Fatal(err)
			}
			if set.unproved != nil {
				t.Errorf("%d rules: %v", len(rules), set.unproved)
			}
			for range 100 {
				x := randomRecord(r)
				got, want := set.Match(x), firstRule(set.roots, x)
				if got != want {
					if got >= 0 {
						t.Logf("%s: %v of %+v", set.roots[got], reference(set.roots[got], x), x)
					}
					t.Fatalf("round %d, %+v: rule %d, want %d, %+v", round, o, got, want, set.Stats())
				}
				if got >= 0 {
					hits++
				}
			}
		}
	}
	t.Logf("%d hits", hits)
}

// durations makes constants that are compared with durations such.
func durations(rules []Expr) []Expr {
	var out []Expr
	for _, e := range rules {
		e.n.visit(func(n *node) {
			if n.op == opCompare && n.args[0].op == opField && n.args[0].name == "D" && n.args[1].op == opConst {
				c := *n.args[1]
				c.val.kind = Duration
				c.kind = Duration
				n.args[1] = &c
			}
		})
		out = append(out, e)
	}
	return out
}

// service is a realistic record for sets of rules.
type service struct {
	Tenant, Status uint32
	Port           uint16
	Method, Path   string
	Took           int64
}

func serviceRules(t testing.TB, n int) []Expr {
	s, err := SchemaFor[service]()
	if err != nil {
		t.Fatal(err)
	}
	var out []Expr
	for i := range n {
		text := fmt.Sprintf(`Tenant == %d && Status >= %d && Method == "%s" && Took > %d`, i/2, 400+i%3*50, []string{"GET", "POST", "PUT"}[i%3], 1000*(i%7))
		if i%10 == 0 {
			text += ` && Path ~ "/api/*"`
		}
		e, err := ParseFilter(s, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func services(n int) []service {
	r := rand.New(rand.NewPCG(3, 3))
	out := make([]service, n)
	for i := range out {
		out[i] = service{uint32(r.IntN(600)), uint32(200 + 100*r.IntN(4)), 443, pick(r, []string{"GET", "POST", "PUT"}), pick(r, []string{"/api/v1", "/", "/static"}), int64(r.IntN(10000))}
	}
	return out
}

// BenchmarkRules compares one set of 1,000 rules with 1,000 predicates one after the other.
func BenchmarkRules(b *testing.B) {
	records := services(1024)
	rules := serviceRules(b, 1000)
	set, err := CompileRulesFor[service](rules, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("%+v", set.Stats())
	b.Run("set", func(b *testing.B) {
		i := 0
		for b.Loop() {
			set.Match(&records[i&1023])
			i++
		}
	})
	var single []*Func[service]
	for _, e := range rules {
		f, err := CompileFor[service](e, nil)
		if err != nil {
			b.Fatal(err)
		}
		single = append(single, f)
	}
	b.Run("single", func(b *testing.B) {
		i := 0
		for b.Loop() {
			for _, f := range single {
				if f.Match(&records[i&1023]) {
					break
				}
			}
			i++
		}
	})
	for i := range records {
		want := -1
		for n, f := range single {
			if f.Match(&records[i]) {
				want = n
				break
			}
		}
		if got := set.Match(&records[i]); got != want {
			b.Fatalf("record %d: rule %d, want %d", i, got, want)
		}
	}
}

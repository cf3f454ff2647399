package automaton

import (
	"math/rand/v2"
	"regexp"
	"testing"
	"unicode/utf8"
)

var expressions = []string{
	"", "a", "abc", "^abc", "abc$", "^abc$", "a*b", "a+b?c", "(a|b)*c", "[a-c]x", "[^a-c]x", ".", "a.c", "(?s)a.c", "^$", "$", "^",
	"(?i)straße", "(?i)k", "é|ü", "[à-ÿ]+$", "a{2,4}b", "(ab){3}", "x*", "^(GET|POST) /api/v[0-9]+/", `\d+\.\d+`, `^\s*$`, `[^\x00-\x7f]`,
	"(a$|b)c", "(^a|b)c", "a$b", "[\U0001F600-\U0001F64F]", `\pL+\z`, "(a*)*", "(a|b|c|d)(a$)?",
}

// TestRegexp compares with package regexp on random texts, valid and not.
func TestRegexp(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, e := range expressions {
		a, err := Regexp(e)
		if err != nil {
			t.Fatalf("%q: %v", e, err)
		}
		re := regexp.MustCompile(e)
		for range 3000 {
			text := random(rng)
			got, sure := a.Run(text)
			if !sure {
				if utf8.Valid(text) {
					t.Fatalf("%q on %q: not sure", e, text)
				}
				continue
			}
			if want := re.Match(text); got != want {
				t.Fatalf("%q on %q: %v", e, text, got)
			}
		}
	}
}

var pieces = []string{"a", "b", "c", "x", "abc", "ab", "é", "ü", "ß", "SS", "ss", "K", "k", "\u212a", "\n", " ", "1", "3.14", "GET /api/v1/", "POST ",
	"\xff", "\xe2\x82", "\xc3", "€", "😀", "\ufffd", "\xed\xa0\x80", "\xf4\x90", "STRAßE", "\x00"}

func random(rng *rand.Rand) []byte {
	var b []byte
	for range rng.IntN(6) {
		b = append(b, pieces[rng.IntN(len(pieces))]...)
	}
	return b
}

func TestRefused(t *testing.T) {
	for _, e := range []string{`\bfoo`, "(?m)^a", "(", "a{1000}{1000}", "(a|b)*a(a|b){12}"} {
		if _, err := Regexp(e); err == nil {
			t.Errorf("%q is taken", e)
		}
	}
}

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "xyz", true}, {"a*b*c", "a123b45c", true}, {"a*b*c", "acb", false},
		{"?", "", false}, {"?", "é", false}, {"??", "é", true}, {"[a-c]", "b", true}, {"[!a-c]", "b", false}, {"[!a-c]", "d", true},
		{"[]x]", "]", true}, {"[x", "[x", true}, {"[x", "x", false}, {"[a-]", "-", true}, {`\*`, "*", true}, {`\*`, "a", false}, {`a\`, "a", true},
		{"[z-a]", "b", false}, {"[a-", "[a-", true}, {"*.c", "x.c", true}, {"*.c", "x.cc", false}, {"[!]", "[!]", true}, {"[!]a]b", "xb", true},
	}
	for _, test := range tests {
		a, err := Glob(test.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, sure := a.Run([]byte(test.text)); got != test.want || !sure {
			t.Errorf("%q on %q: %v", test.pattern, test.text, got)
		}
	}
}

func TestPrefix(t *testing.T) {
	for e, want := range map[string]string{"^/api/v[0-9]+/": "/api/v", "^abc": "abc", "abc": "", "^abc$": "abc", "^(ab|ac)": "a", "^(a|é)x": "", "^a?b": "", "^": "", "^é": ""} {
		a, err := Regexp(e)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := a.Prefix(); string(got) != want {
			t.Errorf("%q: prefix %q, want %q", e, got, want)
		}
	}
}

func FuzzRegexp(f *testing.F) {
	for _, e := range expressions {
		f.Add(e, "abc é x")
	}
	f.Fuzz(func(t *testing.T, e, text string) {
		if len(e) > 50 || len(text) > 200 {
			return
		}
		a, err := Regexp(e)
		if err != nil {
			return
		}
		if got, sure := a.Run([]byte(text)); sure && got != regexp.MustCompile(e).MatchString(text) {
			t.Fatalf("%q on %q: %v", e, text, got)
		}
	})
}

package event

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"regexp"
	"runtime"
	"testing"

	"github.com/skepbpf/skep"
)

// TestScan looks for texts and patterns in texts of few letters, so that much is nearly right, by all engines. Texts end
// where records end, where checked code sees every access behind.
func TestScan(t *testing.T) {
	s := &Schema{Name: "r", Size: 8, Fields: []Field{{Name: "t", Kind: String, Form: Span}}}
	rng := rand.New(rand.NewPCG(8, 8))
	letters := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = "aab\x00\x80é"[rng.IntN(7)]
		}
		return b
	}
	type sample struct {
		e    Expr
		want func(text []byte) bool
		name string
	}
	var list []sample
	for n := 1; n < 20; n++ {
		part := letters(n)
		list = append(list, sample{Contains(FieldValue("t"), string(part)), func(text []byte) bool { return bytes.Contains(text, part) }, string(part)})
	}
	for _, e := range []string{"^aab", "^a*b$", "aab", "^(aa|b)+", "a.b", "^[^a]", "b$", "^aaab(a|b)*$", "^.$", "^ab?\\x00", "é", "^é+$", "\ufffd", "(aa|bb|ab){3}$"} {
		re := regexp.MustCompile(e)
		list = append(list, sample{Match(FieldValue("t"), e), re.Match, e})
	}
	for _, c := range list {
		var ps []*Predicate
		for _, o := range []*Options{nil, {Checked: true}, {Engine: skep.EngineInterp}} {
			p, err := Compile(s, c.e, o)
			if err != nil {
				t.Fatalf("%q: %v", c.name, err)
			}
			if e, why := p.Engine(); o == nil && e != skep.EngineJIT && runtime.GOOS+runtime.GOARCH == "linuxamd64" {
				t.Fatalf("%q: %s", c.name, why)
			}
			ps = append(ps, p)
		}
		for range 300 {
			text := letters(rng.IntN(60))
			rec := binary.LittleEndian.AppendUint32(nil, 8)
			rec = append(binary.LittleEndian.AppendUint32(rec, uint32(len(text))), text...)
			for i, p := range ps {
				if got := p.Match(rec); got != c.want(text) {
					t.Fatalf("%q in %q: %v (engine %d)", c.name, text, got, i)
				}
			}
		}
	}
}

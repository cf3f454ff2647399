package verify

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

// TestWalkStruct checks what lies at offsets of structures, those among them that no compiler makes.
func TestWalkStruct(t *testing.T) {
	word := &btf.Int{Name: "u32", Size: 4}
	inner := &btf.Struct{Name: "inner", Size: 16}
	inner.Members = []btf.Member{{Name: "next", Type: &btf.Pointer{Target: inner}}, {Name: "bits", Type: word, Offset: 64, BitfieldSize: 5}, {Name: "n", Type: word, Offset: 96}}
	choice := &btf.Union{Name: "choice", Size: 8, Members: []btf.Member{{Name: "p", Type: &btf.Pointer{Target: inner}}, {Name: "n", Type: word}}}
	outer := &btf.Struct{Name: "outer", Size: 64, Members: []btf.Member{
		{Name: "list", Type: &btf.Array{Type: inner, Index: word, Nelems: 2}},
		{Name: "choice", Type: choice, Offset: 32 * 8},
		{Name: "user", Type: &btf.Pointer{Target: &btf.TypeTag{Value: "user", Type: inner}}, Offset: 40 * 8},
		{Name: "text", Type: &btf.Pointer{Target: word}, Offset: 48 * 8},
		{Name: "tail", Type: &btf.Array{Type: inner, Index: word}, Offset: 64 * 8},
	}}
	for _, c := range []struct {
		off, size int64
		kind      landingKind
		flags     flags
		bad       bool
	}{
		{off: 0, size: 8, kind: landObject},
		{off: 0, size: 4, bad: true},
		{off: 16, size: 8, kind: landObject},
		{off: 28, size: 4, kind: landScalar},
		{off: 28, size: 8, bad: true},
		{off: 8, size: 1, kind: landScalar},
		{off: 9, size: 1, bad: true},
		{off: 32, size: 8, kind: landObject, flags: untrusted},
		{off: 40, size: 8, kind: landObject, flags: user},
		{off: 48, size: 8, kind: landMemory},
		{off: 56, size: 8, bad: true},
		{off: 64, size: 8, kind: landObject},
		{off: 64 + 1600, size: 8, kind: landObject},
		{off: 64 + 1612, size: 4, kind: landScalar},
	} {
		l, err := walkStruct(outer, c.off, c.size, 0, false)
		if (err != nil) != c.bad || err == nil && (l.kind != c.kind || l.flags != c.flags) {
			t.Errorf("%d bytes at %d: got %+v, %v, want %+v", c.size, c.off, l, err, c)
		}
	}
	if !contains(outer, 16, inner, false) || contains(outer, 16, inner, true) || contains(outer, 20, inner, false) {
		t.Error("a structure inside another is found where it is not, or not where it is")
	}

	circle := &btf.Struct{Name: "circle", Size: 8}
	circle.Members = []btf.Member{{Name: "self", Type: circle}}
	if _, err := walkStruct(circle, 0, 4, 0, false); err == nil {
		t.Error("a structure inside itself was walked to the end")
	}
	if contains(circle, 0, inner, false) {
		t.Error("a structure inside itself contains another")
	}
	fieldAt(circle, 0)
	empty := &btf.Struct{Name: "empty", Size: 8, Members: []btf.Member{{Name: "none", Type: &btf.Array{Type: &btf.Struct{Name: "nothing"}, Index: word, Nelems: 5}}}}
	if _, err := walkStruct(empty, 0, 4, 0, false); err == nil {
		t.Error("an array of nothing holds something")
	}
}

package event

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

func TestBTFSchema(t *testing.T) {
	u32, s16 := &btf.Int{Name: "unsigned int", Size: 4}, &btf.Int{Name: "short", Size: 2, Encoding: btf.Signed}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	inner := &btf.Struct{Name: "inner", Size: 4, Members: []btf.Member{{Name: "a", Type: s16}, {Name: "b", Type: s16, Offset: 16}}}
	s, err := BTFSchema(&btf.Typedef{Name: "event_t", Type: &btf.Struct{Name: "event", Size: 40, Members: []btf.Member{
		{Name: "pid", Type: &btf.Typedef{Name: "pid_t", Type: u32}}, {Name: "comm", Type: &btf.Array{Type: char, Index: u32, Nelems: 16}, Offset: 32},
		{Name: "in", Type: inner, Offset: 160}, {Type: &btf.Union{Size: 4, Members: []btf.Member{{Name: "u", Type: u32}}}, Offset: 192},
		{Name: "bits", Type: u32, Offset: 224, BitfieldSize: 3}, {Name: "p", Type: &btf.Pointer{Target: inner}, Offset: 256},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	rec := make([]byte, 40)
	rec[0], rec[20], rec[21], rec[24], rec[32] = 7, 0xff, 0xff, 9, 1
	copy(rec[4:], "nginx")
	for text, want := range map[string]Outcome{`pid == 7 && comm == "nginx"`: True, `in.a < 0 && u == 9`: True, `p == 1 && in.b != 0`: False} {
		e, err := ParseFilter(s, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(s, e, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Eval(rec); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if got := p.Eval(rec[:39]); got != NoValue {
			t.Errorf("%s of half a record: %v", text, got)
		}
	}
	if _, err := ParseFilter(s, "bits == 1", nil); err == nil || !strings.Contains(err.Error(), "it is a bit field") {
		t.Error(err)
	}
	if _, err := BTFSchema(u32); err == nil {
		t.Error("a number is taken for a structure")
	}
}

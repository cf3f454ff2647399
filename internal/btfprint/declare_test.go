package btfprint

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

func TestDeclare(t *testing.T) {
	self := &btf.Struct{Name: "node", Size: 16}
	self.Members = []btf.Member{{Name: "next", Type: &btf.Pointer{Target: self}}, {Name: "low", Type: u32, Offset: 64, BitfieldSize: 3}, {Type: either, Offset: 64}}
	proto := &btf.FuncProto{Return: s32, Params: []btf.FuncParam{{Name: "a", Type: &btf.Pointer{Target: &btf.Const{Type: point}}}, {Type: &btf.Void{}}}}
	for _, c := range []struct {
		typ        btf.Type
		name, want string
	}{
		{s32, "x", "int x"}, {s32, "", "int"}, {nil, "", "void"}, {u32, "x", "__u32 x"},
		{&btf.Pointer{Target: &btf.Const{Type: char}}, "s", "const char *s"}, {&btf.Const{Type: &btf.Pointer{Target: char}}, "s", "char *const s"},
		{array(array(s32, 3), 2), "m", "int m[2][3]"}, {&btf.Pointer{Target: array(s32, 3)}, "p", "int (*p)[3]"}, {array(&btf.Pointer{Target: s32}, 3), "a", "int *a[3]"},
		{&btf.Pointer{Target: proto}, "f", "int (*f)(const struct point *a, ...)"}, {color, "c", "enum color c"},
		{&btf.Fwd{Name: "far", Kind: btf.FwdUnion}, "u", "union far u"}, {&btf.Volatile{Type: s32}, "v", "volatile int v"},
		{&btf.Pointer{Target: &btf.TypeTag{Type: point, Value: "kptr"}}, "k", `struct point __attribute__((btf_type_tag("kptr"))) *k`},
	} {
		if got := Declare(c.typ, c.name); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	for _, c := range []struct {
		typ  btf.Type
		want string
	}{
		{self, "struct node {\n\tstruct node *next; /* 0 */\n\t__u32 low: 3; /* 8 */\n\tunion {\n\t\tunsigned long long n;\n\t\tunsigned char b[4];\n\t}; /* 8 */\n} /* 16 bytes */;"},
		{color, "enum color {\n\tRED = 0,\n\tDARK = -1,\n};"}, {u32, "typedef unsigned int __u32;"},
		{&btf.Func{Name: "f", Type: proto, Linkage: btf.StaticFunc}, "static int f(const struct point *a, ...);"},
		{&btf.Func{Name: "g", Type: &btf.FuncProto{Return: u64}}, "static unsigned long long g(void);"},
	} {
		if got := Define(c.typ); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	name := &btf.Typedef{Name: "point_t", Type: point}
	outer := &btf.Struct{Name: "outer", Size: 8, Members: []btf.Member{{Name: "p", Type: name}}}
	got, err := Ordered(func(yield func(btf.Type, error) bool) { _ = yield(outer, nil) && yield(name, nil) && yield(self, nil) })
	if err != nil || len(got) < 3 || got[0] != btf.Type(point) || got[1] != btf.Type(name) || got[2] != btf.Type(outer) {
		t.Errorf("%v, %v", got, err)
	}
}

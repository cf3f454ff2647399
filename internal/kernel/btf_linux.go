// Implements the type descriptions (BTF) that the kernel asks for: of functions whose address is taken, of values
// with special fields, and of its own functions.

package kernel

import (
	"fmt"
	"slices"
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// funcInfo is an entry of the kernel's table of functions (struct bpf_func_info).
type funcInfo struct{ insn, typeID uint32 }

// tailCall is the number of the helper that goes on with another program.
const tailCall = 12

// functions returns the slots at which the functions of code begin, and whether the kernel wants their types: the
// address of any is taken, or a program of several goes on with another program or has instructions that may end it.
func functions(code []isa.Instruction) (starts []int, wanted bool) {
	taken, tail := false, false
	starts = []int{0}
	for i := 0; i < len(code); {
		row, err := isa.Linux.Lookup(code, i)
		if err != nil {
			return starts, false
		}
		if row.Op == isa.CallLocal || row.Op == isa.LdFunc {
			starts = append(starts, i+1+int(code[i].Imm))
			taken = taken || row.Op == isa.LdFunc
		}
		tail = tail || row.Op == isa.Call && code[i].Imm == tailCall || row.Kind == isa.KindPacket
		i += row.Slots
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	return starts, taken || tail && len(starts) > 1
}

// hasGlobals reports whether types of global functions are known, besides the program itself.
func hasGlobals(p *spec.Program) bool {
	return slices.ContainsFunc(p.Funcs, func(f spec.Func) bool { return f.Insn > 0 && !f.Static && f.Type != nil })
}

// describeFunctions returns types for functions at the given slots: those that are known, and for others that the main
// one is global, the others static, and all take a pointer and return a number.
func describeFunctions(starts []int, known []spec.Func) (*btf.Handle, []funcInfo, error) {
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return nil, nil, err
	}
	number := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	var infos []funcInfo
	for n, start := range starts {
		f := &btf.Func{Name: fmt.Sprintf("f%d", n), Linkage: btf.StaticFunc,
			Type: &btf.FuncProto{Return: number, Params: []btf.FuncParam{{Name: "ctx", Type: &btf.Pointer{Target: &btf.Void{}}}}}}
		if n == 0 {
			f.Linkage = btf.GlobalFunc
		}
		for _, k := range known {
			if k.Insn == start && k.Type != nil {
				own := *k.Type
				own.Linkage = f.Linkage
				if !k.Static {
					own.Linkage = btf.GlobalFunc
				}
				f = &own
			}
		}
		id, err := b.Add(f)
		if err != nil {
			return nil, nil, err
		}
		infos = append(infos, funcInfo{uint32(start), uint32(id)})
	}
	h, err := btf.NewHandle(b)
	return h, infos, err
}

// fieldTypes are the kernel's structures of special fields, by size.
var fieldTypes = map[spec.FieldKind]struct {
	name string
	size uint32
}{spec.SpinLock: {"bpf_spin_lock", 4}, spec.Timer: {"bpf_timer", 16}, spec.WorkQueue: {"bpf_wq", 16}, spec.ResSpinLock: {"bpf_res_spin_lock", 8}}

// pointerTags are the tags of pointers in values.
var pointerTags = map[spec.FieldKind]string{spec.Kptr: "kptr", spec.KptrUntrusted: "kptr_untrusted"}

// describeValue returns types for a map's key and value, the value having the map's special fields.
func describeValue(m *spec.Map) (h *btf.Handle, key, value uint32, err error) {
	b, err := btf.NewBuilder(nil, nil)
	if err != nil {
		return nil, 0, 0, err
	}
	char := &btf.Int{Name: "char", Size: 1}
	bytes := func(n uint32) btf.Type { return &btf.Array{Index: char, Type: char, Nelems: n} }
	fields := slices.Clone(m.Fields)
	slices.SortFunc(fields, func(x, y spec.MapField) int { return int(x.Offset) - int(y.Offset) })
	v := &btf.Struct{Name: "value", Size: m.ValueSize}
	at := uint32(0)
	pad := func(to uint32) {
		if to > at {
			v.Members = append(v.Members, btf.Member{Name: fmt.Sprintf("pad%d", at), Type: bytes(to - at), Offset: btf.Bits(at * 8)})
		}
	}
	word := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	for _, f := range fields {
		known, ok := fieldTypes[f.Kind]
		if tag, isPtr := pointerTags[f.Kind]; isPtr && f.Type != nil {
			pad(f.Offset)
			to := &btf.Struct{Name: btf.UnderlyingType(f.Type).TypeName(), Size: 4}
			v.Members = append(v.Members, btf.Member{Name: fmt.Sprintf("field%d", f.Offset), Offset: btf.Bits(f.Offset * 8),
				Type: &btf.Pointer{Target: &btf.TypeTag{Value: tag, Type: to}}})
			at = f.Offset + 8
			continue
		}
		if !ok {
			return nil, 0, 0, fmt.Errorf("a value with a %s needs types in the kernel, and only its place is known", f.Kind)
		}
		pad(f.Offset)
		var inner btf.Type = &btf.Array{Index: char, Type: word, Nelems: known.size / 4}
		if f.Kind == spec.SpinLock {
			inner = word
		}
		s := &btf.Struct{Name: known.name, Size: known.size, Members: []btf.Member{{Name: "val", Type: inner}}}
		v.Members = append(v.Members, btf.Member{Name: fmt.Sprintf("field%d", f.Offset), Type: s, Offset: btf.Bits(f.Offset * 8)})
		at = f.Offset + known.size
	}
	pad(m.ValueSize)
	key4 := btf.Type(word) // arrays want a number
	if m.KeySize != 4 {
		key4 = bytes(m.KeySize)
	}
	keyID, err := b.Add(key4)
	if err != nil {
		return nil, 0, 0, err
	}
	valueID, err := b.Add(v)
	if err != nil {
		return nil, 0, 0, err
	}
	h, err = btf.NewHandle(b)
	return h, uint32(keyID), uint32(valueID), err
}

// kernelTypes are the running kernel's.
var kernelTypes = sync.OnceValues(btf.LoadKernelSpec)

// kernelFunction returns the number by which programs call one of the kernel's functions.
func kernelFunction(name string) (int32, error) {
	types, err := kernelTypes()
	if err != nil {
		return 0, err
	}
	var f *btf.Func
	if err := types.TypeByName(name, &f); err != nil {
		return 0, err
	}
	id, err := types.TypeID(f)
	return int32(id), err
}

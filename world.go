// Implements the maps that programs loaded together share, and how their code refers to them.

package skep

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// world is the maps of programs that are loaded together, by name.
type world struct {
	w      *interp.World
	maps   []*bpfmap.Local
	number map[string]int
	types  *btf.Spec // the file's type descriptions; nil if it has none
}

func newWorld() *world { return &world{w: &interp.World{}, number: map[string]int{}} }

// add gives a map its place.
func (w *world) add(name string, m *bpfmap.Local) (int, error) {
	if n, ok := w.number[name]; ok {
		return n, nil
	}
	n, err := w.w.Add(m)
	if err != nil {
		return 0, err
	}
	w.maps = append(w.maps, m)
	w.number[name] = n
	return n, nil
}

// resolveMaps puts the numbers of the maps that p names into its code.
func (prog *Program) resolveMaps(p *spec.Program) error {
	own := prog.world == nil
	if own {
		prog.world = newWorld()
	}
	for _, ref := range p.Maps {
		if ref.Insn < 0 || ref.Insn+1 >= len(p.Insns) || isa.Linux.Slots(p.Insns[ref.Insn].Code) != 2 {
			return fmt.Errorf("map %q is named at instruction %d, which is no wide load", ref.Map, ref.Insn)
		}
		n, ok := prog.world.number[ref.Map]
		if m := prog.opts.Maps[ref.Map]; !ok && own && m != nil {
			var err error
			if n, err = prog.world.add(ref.Map, m); err != nil {
				return err
			}
			ok = true
		}
		if !ok {
			return fmt.Errorf("instruction %d refers to map %q, which is not among those given", ref.Insn, ref.Map)
		}
		op, offset := isa.LdMapFD, int32(0)
		if ref.Value {
			op, offset = isa.LdMapValue, int32(ref.Offset)
		}
		p.Insns[ref.Insn] = isa.Linux.Row(op).Make(p.Insns[ref.Insn].Dst(), 0, 0, int32(n))
		p.Insns[ref.Insn+1] = isa.Instruction{Imm: offset}
	}
	return nil
}

// resolve returns the program with what its wide loads load: addresses of the host if that is asked for.
func (prog *Program) resolve(host bool) (*ir.Program, error) {
	named := map[int]bool{}
	for _, ref := range prog.ir.Source.Maps {
		named[ref.Insn] = true
	}
	if i := slices.IndexFunc(prog.ir.Ins, func(in ir.Ins) bool { return in.Op == isa.AddrSpaceCast }); i >= 0 {
		arena := func(ref spec.MapRef) bool {
			n, ok := prog.world.number[ref.Map]
			return ok && prog.world.maps[n].Arena() != nil
		}
		switch {
		case host:
			return nil, fmt.Errorf("%w: instruction %d: pointers into an arena as addresses of the host", ErrNotSupported, prog.ir.Slots[i])
		case !slices.ContainsFunc(prog.ir.Source.Maps, arena):
			return nil, fmt.Errorf("%w: instruction %d: a pointer into an arena, and the program refers to none", ErrNotSupported, prog.ir.Slots[i])
		}
	}
	return prog.ir.Resolve(func(i ir.Index, row *isa.Row) (uint64, error) {
		in, slot := &prog.ir.Ins[i], int(prog.ir.Slots[i])
		n, off := int(uint32(in.Imm)), int(in.Imm>>32)
		switch {
		case row.Op == isa.LdFunc:
			return interp.FunctionAddr(ir.Index(in.Off)), nil
		case named[slot] && row.Op == isa.LdMapFD:
			return prog.world.w.Handle(n), nil
		case named[slot] && row.Op == isa.LdMapValue:
			v, err := prog.world.valueAddr(n, off, host)
			if err != nil {
				err = fmt.Errorf("instruction %d: %w", slot, err)
			}
			return v, err
		}
		return 0, fmt.Errorf("%w: instruction %d: %s without a name for what it refers to", ErrNotSupported, slot, row.Op)
	})
}

// valueAddr returns the address of a place in the value of a map that has one element.
func (w *world) valueAddr(n, off int, host bool) (uint64, error) {
	m := w.maps[n]
	at, ok := m.LookupOffset(make([]byte, m.Spec().KeySize), 0)
	if m.Arena() != nil && off <= len(m.Memory()) && !host {
		return w.w.MemoryAddr(n) + uint64(off), nil
	}
	if m.Spec().Type != spec.Array || !ok {
		return 0, fmt.Errorf("%w: the address of a value of map %q, a %s", ErrNotSupported, m.Spec().Name, m.Spec().Type)
	}
	if off > int(m.Spec().ValueSize) {
		return 0, fmt.Errorf("byte %d of the value of map %q, which has %d", off, m.Spec().Name, m.Spec().ValueSize)
	}
	if host {
		return uint64(uintptr(unsafe.Pointer(&m.Memory()[at]))) + uint64(off), nil
	}
	return w.w.MemoryAddr(n) + uint64(at+off), nil
}

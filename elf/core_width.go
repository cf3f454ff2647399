// Implements the width of loads and stores of fields that have another size in the kernel than in the object.

package elf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
)

// width is how wide accesses to a field are. As libbpf does it, a load or a store gets the kernel's width if both types
// are pointers or both numbers without sign: they are extended by zeros then. Of other types the value would
// be wrong, and the instruction is poisoned.
type width struct {
	from, to int // bytes; 0 for bitfields
	wrong    bool
}

// widthsFor finds the widths of what loads and stores access.
func (o *object) widthsFor(list []typeReloc, fixes []fix) error {
	for i := range list {
		r, f := &list[i], &fixes[i]
		if f.kind != "byte_off" || f.poison || !accesses(r.sec.insns[r.slot]) {
			continue
		}
		w, err := o.widthOf(r, int64(f.to))
		if err != nil {
			return r.wrong("%w", err)
		}
		f.width = w
	}
	return nil
}

// accesses reports whether an instruction loads from memory or stores to it.
func accesses(in isa.Instruction) bool {
	class := in.Code & 7
	return class >= 1 && class <= 3
}

// widthOf finds the width of one access. off is where the kernel has the field, by which it is known which of several
// types of a name was chosen.
func (o *object) widthOf(r *typeReloc, off int64) (w width, err error) {
	a, err := accessOf(r.relo, o.types)
	if err != nil {
		return w, err
	}
	found := false
	for _, kernel := range o.candidates(essentialName(a.typ.TypeName())) {
		here, there, ok := a.find(kernel)
		if !ok || there.bits == 0 && there.off != off {
			continue
		}
		next := widthBetween(&here, &there)
		if found && next != w {
			return w, errors.New("several types of the kernel match, and the field is not of one size in them")
		}
		w, found = next, true
	}
	return w, nil
}

func widthBetween(here, there *field) (w width) {
	w.from, w.to = here.size(), there.size()
	if w.from == w.to {
		return w
	}
	_, fromPointer := btf.UnderlyingType(here.scalar()).(*btf.Pointer)
	_, toPointer := btf.UnderlyingType(there.scalar()).(*btf.Pointer)
	w.wrong = here.bits != 0 || there.bits != 0 ||
		!(fromPointer && toPointer) && !(unsigned(here.scalar()) && unsigned(there.scalar()))
	return w
}

// scalar returns the type of a field, of arrays that of their elements: the first element needs no index in a path.
func (f *field) scalar() btf.Type {
	t := f.typ
	for {
		array, ok := btf.As[*btf.Array](t)
		if !ok {
			return t
		}
		t = array.Type
	}
}

func (f *field) size() int {
	if f.bits != 0 {
		return 0
	}
	n, err := btf.Sizeof(f.scalar())
	if err != nil {
		return 0
	}
	return n
}

func unsigned(t btf.Type) bool {
	i, ok := btf.UnderlyingType(t).(*btf.Int)
	return ok && i.Encoding != btf.Signed
}

// apply gives an instruction the width.
func (w *width) apply(in *isa.Instruction) error {
	if w.from == w.to {
		return nil
	}
	sizes := [4]int{4, 2, 1, 8} // by the bits of the opcode
	const mask, shift = 0x18, 3
	if now := sizes[in.Code&mask>>shift]; now != w.from {
		return fmt.Errorf("the field has %d bytes in the object and %d in the kernel, but the instruction accesses %d", w.from, w.to, now)
	}
	for code, size := range sizes {
		if size == w.to {
			in.Code = in.Code&^mask | uint8(code)<<shift
			return nil
		}
	}
	return fmt.Errorf("the field has %d bytes in the kernel, and no instruction accesses that many", w.to)
}

// Implements CO-RE relocations: what programs say about the kernel's types becomes numbers for one kernel.

package elf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
)

// badRelocation is the helper that instructions call, which nothing could be found for. libbpf has the same.
const badRelocation = 0xbad2310

// typeReloc is a CO-RE relocation with its place.
type typeReloc struct {
	sec  *section
	slot int
	relo *btf.CORERelocation
}

// relocateTypes resolves the CO-RE relocations of all code, and changes the sections' instructions.
func (o *object) relocateTypes() error {
	var list []typeReloc
	for _, sec := range o.sections {
		if sec.kind != code {
			continue
		}
		_, _, relocs := o.infos.Section(sec.name)
		for _, r := range relocs {
			if uint64(r.Offset) >= uint64(len(sec.insns)) {
				return sec.wrongAt(uint64(r.Offset)*isa.InstructionSize, "", "a CO-RE relocation is outside the section of %d bytes", sec.size)
			}
			list = append(list, typeReloc{sec, int(r.Offset), r.Relo})
		}
	}
	if len(list) == 0 {
		return nil
	}
	return o.applyTypes(list)
}

// applyTypes resolves relocations and changes the instructions of their sections.
func (o *object) applyTypes(list []typeReloc) error {
	fixes, err := o.fixesFor(list)
	if err != nil {
		return err
	}
	for i, r := range list {
		if err := fixes[i].apply(r.sec.insns, r.slot); err != nil {
			return r.wrong("%w", err)
		}
	}
	return nil
}

// wrong makes an error about a relocation.
func (r *typeReloc) wrong(format string, args ...any) error {
	name := ""
	for _, f := range r.sec.order {
		if at := uint64(r.slot) * isa.InstructionSize; f.off <= at && at < f.end {
			name = f.name
		}
	}
	return r.sec.wrongAt(uint64(r.slot)*isa.InstructionSize, name, "%s: "+format, append([]any{r.relo}, args...)...)
}

// isLocal reports whether a relocation is about the object's own types only.
func (r *typeReloc) isLocal() bool {
	return strings.HasPrefix(r.relo.String(), "CORERelocation(local_type_id,")
}

// fixesFor finds out what the relocations come to.
func (o *object) fixesFor(list []typeReloc) ([]fix, error) {
	o.findKernel()
	if o.kernel.none && o.opts.NoTypes == Refuse {
		for i := range list {
			if r := &list[i]; !r.isLocal() {
				return nil, r.wrong("%w to resolve it against", ErrNoTypes)
			}
		}
	}
	fixes := make([]fix, len(list))
	var inKernel, elsewhere []int
	for i := range list {
		if o.inModules(&list[i]) {
			elsewhere = append(elsewhere, i)
		} else {
			inKernel = append(inKernel, i)
		}
	}
	for _, part := range []struct {
		indices []int
		targets []*btf.Spec
	}{{inKernel, o.kernel.types[:1]}, {elsewhere, o.kernel.types}} {
		if err := o.resolve(list, part.indices, part.targets, fixes); err != nil {
			return nil, err
		}
	}
	return fixes, o.widthsFor(list, fixes)
}

// resolve finds out what some of the relocations come to, against the types of a kernel and its modules.
func (o *object) resolve(list []typeReloc, indices []int, targets []*btf.Spec, fixes []fix) error {
	relocate := func(relos ...*btf.CORERelocation) ([]btf.COREFixup, error) {
		return btf.CORERelocate(relos, targets, binary.LittleEndian, o.types.TypeID)
	}
	var relos []*btf.CORERelocation
	for _, i := range indices {
		relos = append(relos, list[i].relo)
	}
	found, err := relocate(relos...)
	if err != nil { // which of them is it?
		for _, i := range indices {
			if _, err := relocate(list[i].relo); err != nil {
				return list[i].wrong("%w", err)
			}
		}
		return wrong("CO-RE relocations: %w", err)
	}
	for n, i := range indices {
		f := &fixes[i]
		if *f, err = fixOf(found[n].String()); err != nil {
			return list[i].wrong("%w", err)
		}
		if o.kernel.none && o.opts.NoTypes == Poison && !list[i].isLocal() {
			f.poison, f.to = !strings.HasSuffix(f.kind, "exists") && f.kind != "type_matches", 0
		}
	}
	return nil
}

// fix is what a relocation comes to.
type fix struct {
	kind     string
	poison   bool   // nothing was found
	from, to uint64 // the value in the object, and what it becomes
	width    width  // of loads and stores
}

// fixOf reads what cilium/ebpf found. Its type only says it as a text, "byte_off=8->16" or "byte_off=poison",
// and otherwise applies itself to its own form of instructions, on Linux only.
func fixOf(text string) (f fix, err error) {
	kind, rest, ok := strings.Cut(text, "=")
	f.kind = kind
	if rest == "poison" {
		f.poison = true
		return f, nil
	}
	from, to, arrow := strings.Cut(rest, "->")
	var err1, err2 error
	f.from, err1 = strconv.ParseUint(from, 10, 64)
	f.to, err2 = strconv.ParseUint(to, 10, 64)
	if !ok || !arrow || err1 != nil || err2 != nil {
		return f, fmt.Errorf("unexpected result %q of resolving it", text)
	}
	return f, nil
}

// apply changes the instruction at a slot.
func (f *fix) apply(insns []isa.Instruction, slot int) error {
	in := &insns[slot]
	wide := in.Code == opWide
	if wide && slot+1 >= len(insns) {
		return errors.New("it is at half a wide load")
	}
	if f.poison || f.width.wrong {
		*in = isa.Instruction{Code: opCall, Imm: badRelocation}
		if wide {
			insns[slot+1] = *in
		}
		return nil
	}
	const class = 7
	switch in.Code & class {
	case 1, 2, 3: // loads and stores
		if f.to > math.MaxInt16 {
			return fmt.Errorf("offset %d does not fit into an instruction", f.to)
		}
		in.Off = int16(f.to)
		return f.width.apply(in)
	case 4, 7: // arithmetic
		if in.Code&8 != 0 {
			return fmt.Errorf("it is at an instruction without a constant (opcode %#02x)", in.Code)
		}
		if f.to > math.MaxInt32 && f.to>>31 != 1<<33-1 && f.to>>32 != 0 {
			return fmt.Errorf("%d does not fit into an instruction", f.to)
		}
		in.Imm = int32(f.to)
	default:
		if !wide {
			return fmt.Errorf("it is at an instruction without an offset or a constant (opcode %#02x)", in.Code)
		}
		in.Imm, insns[slot+1].Imm = int32(uint32(f.to)), int32(uint32(f.to>>32))
	}
	return nil
}

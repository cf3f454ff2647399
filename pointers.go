// Implements addresses in the values of maps: variables that are initialised with the address of others.

package skep

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/skepbpf/skep/spec"
)

// fillPointers writes the addresses that maps hold from the start. They are those of checked programs; the kernel gives
// no program leave to follow them, so that a proved one can only hand them to helpers, which know both sorts.
func (b *builder) fillPointers() error {
	for i := range b.spec.Maps {
		def := &b.spec.Maps[i]
		m := b.out.Maps[def.Name]
		if len(def.Pointers) == 0 || b.opts.Programs.Maps[def.Name] != nil {
			continue
		}
		base, ok := m.LookupOffset(make([]byte, def.KeySize), 0)
		for _, p := range def.Pointers {
			if b.isSet(def.Name, p.Offset) {
				continue
			}
			n, there := b.world.number[p.Map]
			switch {
			case !ok || uint64(p.Offset)+8 > valueSize(def):
				return fmt.Errorf("map %q: the address at %d is outside its value", def.Name, p.Offset)
			case !there:
				return fmt.Errorf("map %q: the value at %d is an address in map %q, which there is not", def.Name, p.Offset, p.Map)
			}
			addr := b.world.w.Handle(n)
			if p.Value {
				var err error
				if addr, err = b.world.valueAddr(n, int(p.To), false); err != nil {
					return fmt.Errorf("map %q: the value at %d is %w", def.Name, p.Offset, err)
				}
			}
			if err := m.WriteMemory(base+int(p.Offset), binary.LittleEndian.AppendUint64(nil, addr)); err != nil {
				return fmt.Errorf("map %q: %w", def.Name, err)
			}
		}
		if constant(def) {
			if err := m.Freeze(); err != nil {
				return fmt.Errorf("map %q: %w", def.Name, err)
			}
		}
	}
	return nil
}

// isSet reports whether the 8 bytes at a place of a map belong to a variable that was given a value.
func (b *builder) isSet(name string, off uint32) bool {
	return slices.ContainsFunc(b.spec.Variables, func(v spec.Variable) bool {
		_, given := b.opts.Variables[v.Name]
		return given && v.Map == name && off < v.Offset+v.Size && v.Offset < off+8
	})
}

// valueSize returns the size of what variables lie in: a map's value, or the pages of an arena.
func valueSize(m *spec.Map) uint64 {
	if m.Type == spec.Arena {
		const page = 4096
		return uint64(m.MaxEntries) * page
	}
	return uint64(m.ValueSize)
}

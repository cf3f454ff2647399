// Implements what records are to the prover: memory that the fields lie in.

package event

import "github.com/skepbpf/skep/emit"

// memory describes records of a schema.
func (s *Schema) memory() *emit.Memory {
	if !s.host {
		return &emit.Memory{Name: "the record", Length: true}
	}
	// Fields behind pointers lie in structs of which no more is known than how far their fields go.
	root := &emit.Memory{Name: "the record", Size: s.Size}
	inner := map[string]*emit.Memory{}
	for i := range s.Fields {
		f := &s.Fields[i]
		m, path := root, ""
		for _, off := range f.via {
			path = pathOf(path, off)
			next := inner[path]
			if next == nil {
				next = &emit.Memory{Name: "what " + f.Name + " is in"}
				inner[path] = next
				m.Pointers = append(m.Pointers, emit.Pointer{Offset: off, To: next, LengthAt: -1})
			}
			m = next
		}
		if m != root {
			m.Size = max(m.Size, f.Offset+f.bytes())
		}
		if f.Form == goText {
			m.Pointers = append(m.Pointers, emit.Pointer{Offset: f.Offset, To: &emit.Memory{Name: f.Name}, LengthAt: f.Offset + 8})
		}
	}
	// A pointer lies in a struct as well.
	for i := range s.Fields {
		m, path := root, ""
		for _, off := range s.Fields[i].via {
			if m != root {
				m.Size = max(m.Size, off+8)
			}
			path = pathOf(path, off)
			m = inner[path]
		}
	}
	return root
}

// Implements schemas of C structures that type descriptions (BTF) tell of.

package event

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// BTFSchema returns the schema of a C structure, in memory of a machine with its lowest byte first: records are its bytes.
// Members of structures inside have names with a dot; those of structures without a name have their own. Members are whole
// numbers, enumerations, true and false, and arrays of char, which are texts; pointers are unsigned numbers. Others, such as
// bit fields and other arrays, are known by name and cannot be used.
func BTFSchema(t btf.Type) (*Schema, error) {
	members, size, ok := composite(t)
	if !ok {
		return nil, fmt.Errorf("%v is neither a structure nor a union", t)
	}
	s := &Schema{Name: t.TypeName(), Size: int(size), others: map[string]string{}}
	if size > maxRecord {
		return nil, fmt.Errorf("structure %s has %d bytes, at most %d", s.Name, size, maxRecord)
	}
	if err := s.members(members, "", 0, 0); err != nil {
		return nil, fmt.Errorf("structure %s: %w", s.Name, err)
	}
	if len(s.Fields) == 0 {
		return nil, fmt.Errorf("structure %s has no member that can be read", s.Name)
	}
	return s, s.Check()
}

func composite(t btf.Type) ([]btf.Member, uint32, bool) {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members, t.Size, true
	case *btf.Union:
		return t.Members, t.Size, true
	}
	return nil, 0, false
}

// members adds the members of a structure that lies off bytes from the start of the record.
func (s *Schema) members(members []btf.Member, prefix string, off uint64, depth int) error {
	for _, m := range members {
		name, at := prefix+m.Name, off+uint64(m.Offset.Bytes())
		inner, _, nested := composite(m.Type)
		switch {
		case nested && depth > 16:
			return fmt.Errorf("structures inside each other more than 16 deep")
		case nested:
			below := name + "."
			if m.Name == "" {
				below = prefix
			}
			if err := s.members(inner, below, at, depth+1); err != nil {
				return err
			}
			continue
		case len(s.Fields) >= maxFields || at > maxRecord || m.Name == "" || s.Field(name) != nil:
			continue
		}
		f := Field{Name: name, Offset: int(at)}
		if why := f.member(m); why != "" {
			s.others[name] = why
			continue
		}
		s.Fields = append(s.Fields, f)
	}
	return nil
}

// member sets a field's kind by its type. It returns why the member cannot be used, or nothing.
func (f *Field) member(m btf.Member) (why string) {
	if m.BitfieldSize > 0 || m.Offset%8 != 0 {
		return "it is a bit field"
	}
	switch t := btf.UnderlyingType(m.Type).(type) {
	case *btf.Int:
		f.Kind, f.Size = Uint, int(t.Size)
		switch {
		case t.Encoding == btf.Bool && t.Size == 1:
			f.Kind = Bool
		case t.Encoding == btf.Signed || t.Encoding == btf.Char && t.Name == "char":
			f.Kind = Int
		}
	case *btf.Enum:
		if f.Kind, f.Size = Uint, int(t.Size); t.Signed {
			f.Kind = Int
		}
	case *btf.Float:
		f.Kind, f.Size = Float, int(t.Size)
	case *btf.Pointer:
		f.Kind, f.Size = Uint, 8
	case *btf.Array:
		c, ok := btf.UnderlyingType(t.Type).(*btf.Int)
		if !ok || c.Size != 1 || t.Nelems == 0 {
			return "it is an array that is no text"
		}
		f.Kind, f.Form, f.Size = String, CString, int(t.Nelems)
	default:
		return fmt.Sprintf("it is a %T", t)
	}
	if f.Kind != String && f.Size != 1 && f.Size != 2 && f.Size != 4 && f.Size != 8 || f.Kind == Float && f.Size < 4 {
		return fmt.Sprintf("it is a number of %d bytes", f.Size)
	}
	return ""
}

// Implements looking for what lies at an offset of a structure, as the kernel does.

package verify

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// landing is what lies at a place of a structure.
type landing struct {
	kind  landingKind
	typ   btf.Type // the structure pointed to, or that which begins there
	field string   // the name of the pointer
	flags flags
}

type landingKind uint8

const (
	landScalar  landingKind = iota
	landObject              // a pointer to a structure
	landMemory              // a pointer to something else
	landsStruct             // the start of a structure inside
)

// members returns the fields of a structure or union, and its size; ok is false if t is neither.
func members(t btf.Type) (fields []btf.Member, size int64, union, ok bool) {
	switch s := t.(type) {
	case *btf.Struct:
		return s.Members, int64(s.Size), false, true
	case *btf.Union:
		return s.Members, int64(s.Size), true, true
	}
	return nil, 0, false, false
}

func isStruct(t btf.Type) bool {
	_, _, _, ok := members(t)
	return ok
}

func isInt(t btf.Type) bool {
	_, ok := t.(*btf.Int)
	return ok
}

// element returns what the elements of an array are, those of several dimensions in a row, and how many there are.
func element(t btf.Type) (elem btf.Type, n int64, array bool) {
	n = 1
	for range maxNesting {
		a, ok := t.(*btf.Array)
		if !ok {
			break
		}
		n *= int64(a.Nelems)
		array = true
		t = btf.UnderlyingType(a.Type)
	}
	return t, n, array
}

// walkStruct finds what size bytes at off of a structure are. f has untrusted if a union was on the way. With
// inner it stops where a structure begins. The error says what is wrong.
func walkStruct(t btf.Type, off, size int64, f flags, inner bool) (landing, error) {
	for range maxNesting {
		t = btf.UnderlyingType(t)
		fields, all, union, ok := members(t)
		if !ok {
			return landing{}, fmt.Errorf("%v is not a structure", t)
		}
		if union && len(fields) != 1 {
			f |= untrusted
		}
		if off+size > all {
			next, at, done := flexible(fields, off)
			switch {
			case next == nil:
				return landing{}, fmt.Errorf("access to %d bytes at offset %d of struct %s, which has %d", size, off, t.TypeName(), all)
			case done:
				return landing{kind: landScalar}, nil
			}
			t, off = next, at
			continue
		}
		found, next, at, err := walkFields(t, fields, off, size, f, inner)
		if err != nil || next == nil {
			return found, err
		}
		t, off = next, at
	}
	return landing{}, errNesting
}

// maxNesting is how deep structures inside structures are looked into: types that were not made by a compiler may go
// round in circles.
const maxNesting = 64

var errNesting = fmt.Errorf("structures are nested deeper than %d", maxNesting)

// flexible looks behind the end of a structure that ends with an array without a size. It returns the elements, and
// either the offset in one or that they are numbers; nil if there is no such array.
func flexible(fields []btf.Member, off int64) (elem btf.Type, at int64, number bool) {
	if len(fields) == 0 {
		return nil, 0, false
	}
	last := fields[len(fields)-1]
	a, ok := btf.UnderlyingType(last.Type).(*btf.Array)
	start := int64(last.Offset.Bytes())
	if !ok || a.Nelems != 0 || off < start {
		return nil, 0, false
	}
	elem = btf.UnderlyingType(a.Type)
	if isInt(elem) {
		return elem, 0, true
	}
	_, size, _, ok := members(elem)
	if !ok || size == 0 {
		return nil, 0, false
	}
	return elem, (off - start) % size, false
}

// walkFields looks among the fields of one structure. It returns what lies there, or the structure inside to go on
// with and the offset there.
func walkFields(t btf.Type, fields []btf.Member, off, size int64, f flags, inner bool) (landing, btf.Type, int64, error) {
	fail := func(format string, args ...any) (landing, btf.Type, int64, error) {
		return landing{}, nil, 0, fmt.Errorf(format, args...)
	}
	for i := range fields {
		m := &fields[i]
		start := int64(m.Offset.Bytes())
		if off+size <= start {
			break
		}
		if m.BitfieldSize != 0 {
			end := (int64(m.Offset) + int64(m.BitfieldSize) + 7) / 8
			if off <= start && end <= off+size {
				return landing{kind: landScalar}, nil, 0, nil
			}
			continue
		}
		if off < start {
			break
		}
		mt := btf.UnderlyingType(m.Type)
		msize, err := btf.Sizeof(mt)
		if err != nil {
			return fail("field %s of struct %s has no size", m.Name, t.TypeName())
		}
		end := start + int64(msize)
		if off >= end {
			continue
		}
		if elem, n, array := element(mt); array {
			one := int64(msize) / max(n, 1)
			if one == 0 {
				return fail("field %s of struct %s has elements without a size", m.Name, t.TypeName())
			}
			start += (off - start) / one * one
			mt, msize = elem, int(one)
		}
		if isStruct(mt) {
			if off == start && inner {
				return landing{kind: landsStruct, typ: mt, flags: f}, nil, 0, nil
			}
			return landing{}, mt, off - start, nil
		}
		if ptr, ok := mt.(*btf.Pointer); ok {
			if size != int64(msize) || off != start {
				return fail("access to %d bytes at offset %d of struct %s, where pointer %s is, which has 8 from offset %d on", size, off, t.TypeName(), m.Name, start)
			}
			return pointee(ptr, m.Name, f), nil, 0, nil
		}
		if off+size > end && f&untrusted == 0 {
			return fail("access to %d bytes at offset %d of struct %s goes beyond the end of field %s", size, off, t.TypeName(), m.Name)
		}
		return landing{kind: landScalar}, nil, 0, nil
	}
	return fail("struct %s has no field at offset %d", t.TypeName(), off)
}

// pointee is what a pointer in a structure points to.
func pointee(ptr *btf.Pointer, field string, f flags) landing {
	if tag, ok := ptr.Target.(*btf.TypeTag); ok {
		f |= tagFlags[tag.Value]
	}
	if s := btf.UnderlyingType(ptr.Target); isStruct(s) {
		return landing{kind: landObject, typ: s, field: field, flags: f}
	}
	return landing{kind: landMemory, field: field}
}

// tagFlags are what tags of types say.
var tagFlags = map[string]flags{"user": user, "percpu": percpu, "rcu": rcu}

// contains reports whether a structure of a type begins at an offset of a structure.
func contains(t btf.Type, off int64, want btf.Type, strict bool) bool {
	if off == 0 && t == want {
		return true
	}
	for n := 0; !strict && n < maxNesting; n++ {
		l, err := walkStruct(t, off, 1, 0, true)
		if err != nil || l.kind != landsStruct {
			return false
		}
		if l.typ == want {
			return true
		}
		t, off = l.typ, 0
	}
	return false
}

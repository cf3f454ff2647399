// Implements the search for the fields that CO-RE relocations are about, in the object's types and in the kernel's.

package elf

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// access is what a relocation about a field says: a type of the object, and the way from there to the field.
type access struct {
	typ  btf.Type
	path []int // the number of the element that a pointer points to, then members and elements
}

// accessOf reads what a relocation is about. Like its result, cilium/ebpf only tells it as a text:
// CORERelocation(byte_off, Struct:"task_struct"[0:3], local_id=7).
func accessOf(relo *btf.CORERelocation, local *btf.Spec) (a access, err error) {
	text := relo.String()
	fail := func() (access, error) { return access{}, fmt.Errorf("unexpected relocation %q", text) }
	at := strings.LastIndex(text, "], local_id=")
	first := strings.LastIndexByte(text[:max(at, 0)], '[')
	if first < 0 {
		return fail()
	}
	id, err := strconv.ParseUint(strings.TrimSuffix(text[at+len("], local_id="):], ")"), 10, 32)
	if err != nil {
		return fail()
	}
	for part := range strings.SplitSeq(text[first+1:at], ":") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return fail()
		}
		a.path = append(a.path, n)
	}
	a.typ, err = local.TypeByID(btf.TypeID(id))
	return a, err
}

// essentialName returns the name of a type without what programs append to tell variants of it apart, as in
// task_struct___old.
func essentialName(name string) string {
	for i := len(name) - 5; i >= 0; i-- {
		if name[i] != '_' && name[i+1:i+4] == "___" && name[i+4] != '_' {
			return name[:i+1]
		}
	}
	return name
}

// field is a field found.
type field struct {
	typ  btf.Type
	bits btf.Bits // its size, of bitfields only
	off  int64    // bytes from the start of the outermost type; of bitfields it is not known here
}

// find follows the path from the object's type, and beside it from a kernel's. It is not ok if the kernel's has no such field.
func (a *access) find(kernel btf.Type) (here, there field, ok bool) {
	here, there = field{typ: a.typ}, field{typ: kernel}
	if len(a.path) == 0 || !here.element(a.path[0]) || !there.element(a.path[0]) {
		return here, there, false
	}
	for _, n := range a.path[1:] {
		if array, isArray := btf.As[*btf.Array](here.typ); isArray {
			target, isArray := btf.As[*btf.Array](there.typ)
			if !isArray {
				return here, there, false
			}
			here.typ, there.typ = array.Type, target.Type
			if !here.element(n) || !there.element(n) {
				return here, there, false
			}
			continue
		}
		members := membersOf(here.typ)
		if n >= len(members) {
			return here, there, false
		}
		m := members[n]
		here.enter(m)
		if m.Name == "" { // the kernel's may be arranged otherwise; only names count
			continue
		}
		if m, ok = memberNamed(there.typ, m.Name); !ok {
			return here, there, false
		}
		there.enter(m)
	}
	return here, there, true
}

// element goes on to a later element of an array.
func (f *field) element(n int) bool {
	size, err := btf.Sizeof(f.typ)
	f.off += int64(n) * int64(size)
	return err == nil || n == 0
}

func (f *field) enter(m btf.Member) {
	f.typ, f.bits = m.Type, m.BitfieldSize
	f.off += int64(m.Offset.Bytes())
}

func membersOf(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// memberNamed finds a member, also in members without a name. Its offset is from the start of t.
func memberNamed(t btf.Type, name string) (btf.Member, bool) {
	type part struct {
		typ btf.Type
		off btf.Bits
	}
	parts, seen := []part{{typ: t}}, map[btf.Type]bool{}
	for len(parts) > 0 {
		p := parts[0]
		parts = parts[1:]
		if seen[p.typ] {
			continue
		}
		seen[p.typ] = true
		for _, m := range membersOf(p.typ) {
			m.Offset += p.off
			if m.Name == name {
				return m, true
			}
			if m.Name == "" {
				parts = append(parts, part{m.Type, m.Offset})
			}
		}
	}
	return btf.Member{}, false
}

// Implements what comes from the object's types (BTF): the types themselves, and what it declares as external.

package elf

import (
	"bytes"
	"errors"

	"github.com/cilium/ebpf/btf"
)

// extern is a name that the object leaves to the kernel to resolve.
type extern struct {
	typ     btf.Type // *btf.Var or *btf.Func
	kconfig bool     // a value of the kernel's configuration, at offset in the map .kconfig
	offset  uint32
}

// address returns the type of what has this name, nil if the program only wants its address.
func (e *extern) address() btf.Type {
	if v, ok := e.typ.(*btf.Var); ok {
		if _, void := btf.UnderlyingType(v.Type).(*btf.Void); void {
			return nil
		}
	}
	return e.typ
}

// readTypes reads the object's types, if it has any.
func (o *object) readTypes() error {
	types, infos, err := btf.LoadSpecAndExtInfosFromReader(bytes.NewReader(o.file))
	switch {
	case errors.Is(err, btf.ErrNotFound) && !o.has(".BTF"):
		return nil
	case err != nil && (o.has(".BTF.ext") || o.has(".maps")):
		return &Error{Section: ".BTF", Err: err}
	case err != nil:
		return nil // nothing depends on them
	}
	o.types, o.infos, o.out.Types = types, infos, types
	return nil
}

func (o *object) has(section string) bool {
	for _, s := range o.sections {
		if s.name == section {
			return true
		}
	}
	return false
}

// findExterns collects what the object declares as the kernel's.
func (o *object) findExterns() error {
	for _, name := range []string{".ksyms", ".kconfig"} {
		ds := o.datasec(name)
		if ds == nil {
			continue
		}
		for _, v := range ds.Vars {
			if v.Type != nil && v.Type.TypeName() != "" {
				o.externs[v.Type.TypeName()] = &extern{typ: v.Type, kconfig: name == ".kconfig", offset: v.Offset}
			}
		}
	}
	return nil
}

// datasec returns the type that lists a section's variables, or nil.
func (o *object) datasec(section string) *btf.Datasec {
	if o.types == nil {
		return nil
	}
	var ds *btf.Datasec
	if err := o.types.TypeByName(section, &ds); err != nil {
		return nil
	}
	return ds
}

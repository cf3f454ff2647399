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

// datasec returns the type that lists a section's variables, or nil. On the first look at one, cilium/ebpf
// fills in where the variables are, and refuses sections that have something it does not expect. On the second
// look it hands them out as they are.
func (o *object) datasec(section string) *btf.Datasec {
	if o.types == nil {
		return nil
	}
	var ds *btf.Datasec
	if o.types.TypeByName(section, &ds) == nil {
		return ds
	}
	if o.types.TypeByName(section, &ds) != nil {
		return nil
	}
	for _, sec := range o.sections {
		if sec.name != section || sec.kind == other {
			continue
		}
		ds.Size = uint32(sec.size)
		places := map[string]uint64{}
		for _, at := range sec.symbols {
			places[o.symbols[at].Name] = o.symbols[at].Value
		}
		for i := range ds.Vars {
			if at, ok := places[ds.Vars[i].Type.TypeName()]; ok {
				ds.Vars[i].Offset = uint32(at)
			}
		}
	}
	return ds
}

// ModuleTypes reads the types of a module of a kernel, such as /sys/kernel/btf/tun, which build on those of the kernel.
// Errors are of type *Error.
func ModuleTypes(data []byte, kernel *btf.Spec) (types *btf.Spec, err error) {
	defer recovered(&types, &err)
	if types, err = btf.LoadSplitSpecFromReader(bytes.NewReader(data), kernel); err != nil {
		if errors.Is(err, btf.ErrNotFound) {
			err = errors.New("the file describes no types")
		}
		return nil, &Error{Section: ".BTF", Err: err}
	}
	return types, nil
}

// Types reads the types of an object file, whose other contents do not matter, or of a file of plain types such as
// /sys/kernel/btf/vmlinux. Errors are of type *Error.
func Types(data []byte) (types *btf.Spec, err error) {
	defer recovered(&types, &err)
	if types, err = btf.LoadSpecFromReader(bytes.NewReader(data)); err != nil {
		if errors.Is(err, btf.ErrNotFound) {
			err = errors.New("the file describes no types")
		}
		return nil, &Error{Section: ".BTF", Err: err}
	}
	return types, nil
}

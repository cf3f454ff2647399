// Implements the types that CO-RE relocations are resolved against: those of a kernel, and those of its modules.

package elf

import (
	"os"
	"path/filepath"
	"sync"

	"github.com/cilium/ebpf/btf"
)

// kernelTypes are what relocations of one object are resolved against.
type kernelTypes struct {
	types   []*btf.Spec // the kernel's first, then those of modules
	none    bool        // there are no kernel types, and the object's own stand for them
	modules bool        // those of modules are among them; of the running kernel they are only read when something is missing
}

// findKernel decides which types these are.
func (o *object) findKernel() {
	if o.kernel.types != nil {
		return
	}
	if len(o.opts.KernelTypes) > 0 {
		o.kernel.types, o.kernel.modules = o.opts.KernelTypes, true
		return
	}
	if host, err := hostTypes(); err == nil {
		o.kernel.types = []*btf.Spec{host}
		return
	}
	o.kernel.types, o.kernel.none, o.kernel.modules = []*btf.Spec{o.types}, true, true
}

// inModules reports whether a relocation is about a type that only modules may have. As libbpf does it, they are looked
// at for types whose name the kernel has not.
func (o *object) inModules(r *typeReloc) bool {
	if r.isLocal() {
		return false
	}
	a, err := accessOf(r.relo, o.types)
	if err != nil { // resolving it says it better
		return false
	}
	name := essentialName(a.typ.TypeName())
	if found, _ := o.kernel.types[0].AnyTypesByName(name); name == "" || len(found) > 0 {
		return false
	}
	if !o.kernel.modules {
		o.kernel.types, o.kernel.modules = append(o.kernel.types, hostModules()...), true
	}
	return len(o.kernel.types) > 1
}

// candidates returns the types that have a name: of the kernel, or if it has none, of the modules.
func (o *object) candidates(name string) (list []btf.Type) {
	for i, s := range o.kernel.types {
		found, _ := s.AnyTypesByName(name)
		list = append(list, found...)
		if i == 0 && len(list) > 0 {
			break
		}
	}
	return list
}

// hostTypes returns the types of the running kernel. They are read once.
var hostTypes = sync.OnceValues(btf.LoadKernelSpec)

// hostModules returns the types of the running kernel's modules. They are read once. Those that cannot be read do not count.
var hostModules = sync.OnceValue(func() (list []*btf.Spec) {
	const folder = "/sys/kernel/btf"
	files, _ := os.ReadDir(folder)
	base, err := hostTypes()
	for _, f := range files {
		if err != nil || f.Name() == "vmlinux" {
			continue
		}
		if s, err := btf.LoadSplitSpec(filepath.Join(folder, f.Name()), base); err == nil {
			list = append(list, s)
		}
	}
	return list
})

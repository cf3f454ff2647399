// Implements what helpers need of a program beyond its run: calls of its functions later on, sizes of its types.

package skep

import (
	"context"

	"math"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/bpfmap"
)

// callLater calls a function of the program on an element of a map, on an instance of its own. It is safe for
// concurrent use.
func (prog *Program) callLater(function uint64, m *bpfmap.Local, key []byte, off int) error {
	i := prog.pool.Get().(*Instance)
	if i.m.AcquireCPU() {
		defer i.m.ReleaseCPU()
	}
	var never context.Context // nothing cancels it
	_, err := i.m.RunElement(never, DefaultLimit, function, m, key, off)
	prog.pool.Put(i)
	return err
}

// typeSize returns the size of a type that the program's file describes.
func (prog *Program) typeSize(id uint64) (size int, ok bool) {
	types := prog.world.types
	if types == nil || id > math.MaxUint32 {
		return 0, false
	}
	t, err := types.TypeByID(btf.TypeID(id))
	if err != nil {
		return 0, false
	}
	size, err = btf.Sizeof(t)
	return size, err == nil
}

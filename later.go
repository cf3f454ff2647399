// Implements calls of a program's functions after it has ended: timers and work queues.

package skep

import (
	"github.com/skepbpf/skep/bpfmap"
)

// callLater calls a function of the program on an element of a map, on an instance of its own. It is safe for
// concurrent use.
func (prog *Program) callLater(function uint64, m *bpfmap.Local, key []byte, off int) error {
	i := prog.pool.Get().(*Instance)
	if i.m.AcquireCPU() {
		defer i.m.ReleaseCPU()
	}
	_, err := i.m.RunElement(nil, DefaultLimit, function, m, key, off)
	prog.pool.Put(i)
	return err
}

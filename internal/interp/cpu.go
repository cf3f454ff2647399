// Implements the processors of runs: programs that use per-CPU maps have one to themselves while they run.

package interp

import (
	"runtime"
	"sync/atomic"
	"time"
)

// cpus tells which processors are taken. There are as many as this machine has.
var cpus = make([]struct {
	taken atomic.Bool
	_     [63]byte // a cache line each
}, runtime.NumCPU())

// takeCPU finds a processor that no other run has, last if that is free. Where all are taken for long, which only
// happens when runs wait for others inside helpers, it shares last; then shared is true.
func takeCPU(last int) (cpu int, shared bool) {
	for try := 0; try < 2000; try++ {
		for i := range cpus {
			c := (last + i) % len(cpus)
			if !cpus[c].taken.Load() && cpus[c].taken.CompareAndSwap(false, true) {
				return c, false
			}
		}
		if try < 1000 {
			runtime.Gosched()
		} else {
			time.Sleep(20 * time.Microsecond)
		}
	}
	return last, true
}

// AcquireCPU gives the machine a processor for its next runs, if its program needs one to itself. ReleaseCPU gives
// it back.
func (m *Machine) AcquireCPU() (taken bool) {
	if !m.code.world.perCPU {
		return false
	}
	cpu, shared := takeCPU(m.cpu)
	m.cpu = cpu
	return !shared
}

// ReleaseCPU gives back the processor that AcquireCPU has taken.
func (m *Machine) ReleaseCPU() { cpus[m.cpu].taken.Store(false) }

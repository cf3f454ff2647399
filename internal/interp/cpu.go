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
func takeCPU(last, count int) (cpu int, shared bool) {
	count = min(count, len(cpus))
	for try := 0; try < 2000; try++ {
		for i := range count {
			c := (last + i) % count
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
	return last % count, true
}

// AcquireCPU gives the machine a processor for its next runs, if its program needs one to itself. ReleaseCPU gives
// it back.
func (m *Machine) AcquireCPU() (taken bool) {
	count := m.code.world.cpus
	if count == 0 {
		return false
	}
	if env := m.Call.Env; env.CPU != nil {
		m.cpu = int(env.CPU()) % count
		return false
	}
	cpu, shared := takeCPU(m.cpu, count)
	m.cpu = cpu
	return !shared
}

// ReleaseCPU gives back the processor that AcquireCPU has taken.
func (m *Machine) ReleaseCPU() { cpus[m.cpu].taken.Store(false) }

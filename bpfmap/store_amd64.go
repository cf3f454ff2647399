// Implements stores that others may see at once, where the processor keeps their order by itself.

//go:build amd64 && !race

package bpfmap

import "sync/atomic"

// The processor makes stores visible in the order of the program, and the compiler leaves them in that order,
// so that a plain store publishes what was stored before. An atomic one would wait until others see it, which
// takes longer than all the rest of an update; fence waits once.

func storeWord(p *uint64, v uint64) { *p = v }
func storeHalf(p *uint32, v uint32) { *p = v }

// fence returns when others see all that was stored before.
func fence() {
	var here uint32
	atomic.StoreUint32(&here, 1)
}

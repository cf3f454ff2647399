// Implements the locks that machine code can take as well: a word that is odd while somebody writes.

package bpfmap

import (
	"runtime"
	"sync/atomic"
	"time"
)

// seqlock protects a piece of a map. It is odd while a writer is at work and counts up with every write, so
// that a reader can tell whether what it read without a lock was of one piece. Who holds it must not wait for
// anything else, nor call Go code of others.
type seqlock struct{ n uint32 }

// lock waits until nobody writes and returns the number that unlock needs.
func (l *seqlock) lock() uint32 {
	for i := 0; ; i++ {
		n := atomic.LoadUint32(&l.n)
		if n&1 == 0 && atomic.CompareAndSwapUint32(&l.n, n, n+1) {
			return n
		}
		pause(i)
	}
}

func (l *seqlock) unlock(n uint32) { storeHalf(&l.n, n+2) }

// begin starts reading without a lock.
func (l *seqlock) begin() uint32 {
	for i := 0; ; i++ {
		if n := atomic.LoadUint32(&l.n); n&1 == 0 {
			return n
		}
		pause(i)
	}
}

// same reports whether nothing was written since begin returned n.
func (l *seqlock) same(n uint32) bool { return atomic.LoadUint32(&l.n) == n }

// pause waits a little before attempt i+1.
func pause(i int) {
	switch {
	case i < 8:
	case i < 200:
		runtime.Gosched()
	default:
		time.Sleep(20 * time.Microsecond)
	}
}

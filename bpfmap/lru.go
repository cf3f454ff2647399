// Implements what LRU maps do when they are full: a clock's hand that spares what was used.

package bpfmap

import "sync/atomic"

// evictOne removes an element that was not used lately and returns it; it then belongs to the caller. The
// hand goes round the elements in the order of their places, which is the order of insertion in a map that
// nothing was deleted from. An element that was used since the hand came by last loses its mark and stays
// for another round. Look-ups by programs and updates of a key that is there are uses; look-ups by Go code,
// as in the kernel, and being inserted are not. No lock must be held.
func (t *table) evictOne() uint32 {
	n := t.evict.lock()
	defer func() { t.evict.unlock(n) }()
	for round := 0; ; round++ {
		pause(round / t.elements()) // all may be with others that are about to put them in
		if i := t.alloc(); i != 0 {
			return i // somebody deleted one
		}
		all := uint32(t.elements())
		i := t.hand%all + 1
		t.hand = i
		if ref := &t.refs[i]; atomic.LoadUint32(ref) != 0 {
			storeHalf(ref, 0)
			continue
		}
		if t.removeElement(i) {
			return i
		}
	}
}

// removeElement takes element i out of the chain it is in. It fails if it is in none: a spare, or a new one.
func (t *table) removeElement(i uint32) bool {
	h := uint32(atomic.LoadUint64(t.head(i)) >> 32)
	s := t.stripe(h)
	n := s.lock()
	defer s.unlock(n)
	prev := uint32(0)
	for at := atomic.LoadUint32(&t.buckets[h&t.mask]); at != 0; prev, at = at, t.nextOf(at) {
		if at == i {
			t.unlink(h, prev, i)
			return true
		}
	}
	return false
}

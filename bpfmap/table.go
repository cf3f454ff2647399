// Implements the hash table under all hash maps: chains of elements in one arena, read without locks.

package bpfmap

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// table maps keys to the numbers of elements, from 1 up; what an element's value is, others know. All is in
// memory that does not move, so that machine code can do the same; Layout says where.
//
// An element is one of: in a chain; free, in the list of free ones; the spare of a stripe; never used, above
// bump. Buckets are heads of chains. Buckets with the same low bits of their number share a stripe, whose
// lock every change of one of these chains is made under. Who reads looks at the stripe's number before and
// after: elements may have been moved to another chain meanwhile.
//
// A new value for a key goes into another element, the stripe's spare, which takes the place of the old one
// in one step; the old one is the spare then. So a program that found the old value still has it, until the
// element is used again, and a look-up sees the old or the new value. That is what the kernel does as well.
type table struct {
	buckets []uint32 // first element of each chain; 0 for none
	stripes []stripe
	entries memory   // element i is at i*stride bytes: next, hash, key
	refs    []uint32 // of LRU maps: whether element i was used since the hand came by

	mask, stripeMask uint32
	stride           int
	keySize          int
	seed             uint64
	limit            uint32 // elements that can be in chains at once
	oneWord          bool   // keys have 4 or 8 bytes

	_     [64]byte      // what follows changes often
	free  atomic.Uint64 // top of the list of free elements: its number, and above 32 bits a count of changes
	bump  uint32        // the last element that was ever used, not counting spares
	hand  uint32        // of LRU maps: the element looked at last for eviction
	evict seqlock       // of LRU maps: who moves the hand
}

// stripe is the lock of some buckets and their spare element.
type stripe struct {
	seqlock
	spare uint32
	_     [56]byte // a cache line each
}

// entryNext and entryHash are the low and the high half of a word.
var (
	entryNext = uintptr(binary.NativeEndian.Uint32([]byte{4, 0, 0, 0}) >> 24) // 0, on big-endian hosts 4
	entryHash = entryNext ^ 4
)

const (
	entryKey = 8 // offset of the key in an element, bytes

	// hashMultiplier is an odd number with as many ones as zeros, spread without pattern.
	hashMultiplier = 0x9e3779b97f4a7c15

	maxStripes = 128
)

func newTable(keySize int, entries uint32, seed uint64, lru bool) *table {
	n := powerAbove(uint64(entries))
	stripes := min(max(n/8, 1), maxStripes)
	t := &table{buckets: zeros[uint32](n), stripes: make([]stripe, stripes), mask: uint32(n - 1), stripeMask: uint32(stripes - 1),
		stride: entryKey + int(round8(uint32(keySize))), keySize: keySize, seed: seed, limit: entries, oneWord: keySize == 4 || keySize == 8}
	t.entries = newMemory(uint64(t.elements()+1) * uint64(t.stride))
	for i := range t.stripes {
		t.stripes[i].spare = entries + 1 + uint32(i)
	}
	if lru {
		t.refs = zeros[uint32](uint64(t.elements()) + 1)
	}
	return t
}

// elements returns how many elements there are, spares included. They count from 1.
func (t *table) elements() int { return int(t.limit) + len(t.stripes) }

// hash returns the hash of a key: for each eight bytes of it as a little-endian number, the last ones filled
// up with zeros, mixed into what there is by a multiplication of which both halves are kept.
func (t *table) hash(key []byte) uint32 {
	if t.oneWord {
		return uint32(mix(t.seed ^ keyNumber(key)))
	}
	return t.hashLong(key)
}

func (t *table) hashLong(key []byte) uint32 {
	h := t.seed
	for len(key) >= 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(key))
		key = key[8:]
	}
	if len(key) > 0 {
		h = mix(h ^ tail(key))
	}
	return uint32(h)
}

// keyNumber returns a key of 4 or 8 bytes as a number.
func keyNumber(key []byte) uint64 {
	if len(key) == 4 {
		return uint64(binary.LittleEndian.Uint32(key))
	}
	return binary.LittleEndian.Uint64(key)
}

func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x, hashMultiplier)
	return hi ^ lo
}

// tail reads 1 to 7 bytes as a little-endian number.
func tail(b []byte) (n uint64) {
	for i, c := range b {
		n |= uint64(c) << (8 * i)
	}
	return n
}

func (t *table) stripe(h uint32) *stripe { return &t.stripes[h&t.mask&t.stripeMask] }

// head returns the word of element i with next and hash.
func (t *table) head(i uint32) *uint64 {
	return (*uint64)(unsafe.Add(t.entries.base, uintptr(i)*uintptr(t.stride)))
}

func (t *table) nextOf(i uint32) uint32 { return uint32(atomic.LoadUint64(t.head(i))) }

// setNext must only be called by who owns the element or holds the lock of its chain.
func (t *table) setNext(i, next uint32) {
	p := t.head(i)
	storeWord(p, atomic.LoadUint64(p)&^0xffffffff|uint64(next))
}

// equal compares the key of element i.
func (t *table) equal(i uint32, key []byte) bool {
	p := unsafe.Add(t.entries.base, uintptr(i)*uintptr(t.stride)+entryKey)
	if t.oneWord {
		return littleWord(atomic.LoadUint64((*uint64)(p))) == keyNumber(key)
	}
	for ; len(key) >= 8; p, key = unsafe.Add(p, 8), key[8:] {
		if atomic.LoadUint64((*uint64)(p)) != binary.NativeEndian.Uint64(key) {
			return false
		}
	}
	if len(key) == 0 {
		return true
	}
	return littleWord(atomic.LoadUint64((*uint64)(p))) == tail(key)
}

// walk looks for a key in its chain. The caller checks afterwards that the stripe still has the number n.
func (t *table) walk(s *stripe, n, h uint32, key []byte) uint32 {
	steps := 0
	for i := atomic.LoadUint32(&t.buckets[h&t.mask]); i != 0; {
		w := atomic.LoadUint64(t.head(i))
		if uint32(w>>32) == h && t.equal(i, key) {
			return i
		}
		i = uint32(w)
		if steps++; steps%64 == 0 && !s.same(n) {
			return 0 // we may be in the list of free elements by now
		}
	}
	return 0
}

// maxTries is how often a reader tries without the lock before it takes it.
const maxTries = 50

// read calls f, with the stripe's number, until it has run on an unchanging stripe. f must only read, and
// nobody use what it found before read returns.
func (s *stripe) read(f func(n uint32)) {
	for range maxTries {
		n := s.begin()
		if f(n); s.same(n) {
			return
		}
	}
	n := s.lock()
	f(n + 1)
	s.unlock(n)
}

// find returns the element of a key, 0 if there is none.
func (t *table) find(h uint32, key []byte) uint32 {
	s := t.stripe(h)
	if n := atomic.LoadUint32(&s.n); n&1 == 0 {
		if i := t.walkAny(s, n, h, key); s.same(n) {
			return i
		}
	}
	return t.findSlowly(s, h, key)
}

// walkAny is walk or walkOne.
func (t *table) walkAny(s *stripe, n, h uint32, key []byte) uint32 {
	if t.oneWord {
		return t.walkOne(s, n, h, keyNumber(key))
	}
	return t.walk(s, n, h, key)
}

// walkOne is walk for keys of one word.
func (t *table) walkOne(s *stripe, n, h uint32, key uint64) uint32 {
	key = littleWord(key)
	base, stride := t.entries.base, uintptr(t.stride)
	steps := 0
	for i := atomic.LoadUint32(&t.buckets[h&t.mask]); i != 0; {
		e := unsafe.Add(base, uintptr(i)*stride)
		if atomic.LoadUint64((*uint64)(unsafe.Add(e, entryKey))) == key {
			return i
		}
		i = uint32(atomic.LoadUint64((*uint64)(e)))
		if steps++; steps%64 == 0 && !s.same(n) {
			return 0 // we may be in the list of free elements by now
		}
	}
	return 0
}

func (t *table) findSlowly(s *stripe, h uint32, key []byte) uint32 {
	for range maxTries {
		n := s.begin()
		if i := t.walk(s, n, h, key); s.same(n) {
			return i
		}
	}
	n := s.lock()
	i := t.walk(s, n+1, h, key)
	s.unlock(n)
	return i
}

// before returns the element of a key and the one before it in the chain, 0 if it is the first. The lock is
// held.
func (t *table) before(h uint32, key []byte) (prev, i uint32) {
	if t.oneWord {
		return t.beforeOne(h, littleWord(keyNumber(key)))
	}
	for i = atomic.LoadUint32(&t.buckets[h&t.mask]); i != 0; {
		w := atomic.LoadUint64(t.head(i))
		if uint32(w>>32) == h && t.equal(i, key) {
			return prev, i
		}
		prev, i = i, uint32(w)
	}
	return prev, 0
}

func (t *table) beforeOne(h uint32, key uint64) (prev, i uint32) {
	base, stride := t.entries.base, uintptr(t.stride)
	for i = atomic.LoadUint32(&t.buckets[h&t.mask]); i != 0; {
		e := unsafe.Add(base, uintptr(i)*stride)
		if atomic.LoadUint64((*uint64)(unsafe.Add(e, entryKey))) == key {
			return prev, i
		}
		prev, i = i, uint32(atomic.LoadUint64((*uint64)(e)))
	}
	return prev, 0
}

// storeKey writes the key of element i.
func (t *table) storeKey(i uint32, key []byte) {
	if t.oneWord {
		storeWord((*uint64)(unsafe.Add(t.entries.base, uintptr(i)*uintptr(t.stride)+entryKey)), littleWord(keyNumber(key)))
		return
	}
	t.entries.store(int(i)*t.stride+entryKey, key)
}

// link makes element i, which must belong to the caller, the first of its chain. The lock is held.
func (t *table) link(h, i uint32, key []byte) {
	t.storeKey(i, key)
	b := &t.buckets[h&t.mask]
	storeWord(t.head(i), uint64(h)<<32|uint64(atomic.LoadUint32(b)))
	storeHalf(b, i)
}

// unlink takes element i, which stands behind prev, out of its chain. The lock is held.
func (t *table) unlink(h, prev, i uint32) {
	if next := t.nextOf(i); prev == 0 {
		storeHalf(&t.buckets[h&t.mask], next)
	} else {
		t.setNext(prev, next)
	}
}

// replace puts the element with, which holds the key, in the place of i, which stands behind prev. The lock
// is held.
func (t *table) replace(h, prev, i, with uint32, key []byte) {
	t.storeKey(with, key)
	storeWord(t.head(with), uint64(h)<<32|uint64(t.nextOf(i)))
	if prev == 0 {
		storeHalf(&t.buckets[h&t.mask], with)
	} else {
		t.setNext(prev, with)
	}
}

// alloc returns an element that belongs to the caller, 0 if there is none left.
func (t *table) alloc() uint32 {
	for {
		top := t.free.Load()
		i := uint32(top)
		if i == 0 {
			break
		}
		next := t.nextOf(i) // somebody else may have it by now; then the exchange fails
		if t.free.CompareAndSwap(top, (top>>32+1)<<32|uint64(next)) {
			return i
		}
	}
	for {
		n := atomic.LoadUint32(&t.bump)
		if n >= t.limit {
			return 0
		}
		if atomic.CompareAndSwapUint32(&t.bump, n, n+1) {
			return n + 1
		}
	}
}

// release gives back an element that belongs to the caller.
func (t *table) release(i uint32) {
	for {
		top := t.free.Load()
		t.setNext(i, uint32(top))
		if t.free.CompareAndSwap(top, (top>>32+1)<<32|uint64(i)) {
			return
		}
	}
}

// copyKey copies the key of element i.
func (t *table) copyKey(i uint32, out []byte) {
	t.entries.load(out[:t.keySize], int(i)*t.stride+entryKey)
}

// firstFrom copies the first key of the first bucket from bucket b on that has one.
func (t *table) firstFrom(b uint64, out []byte) Errno {
	for ; b < uint64(len(t.buckets)); b++ {
		if atomic.LoadUint32(&t.buckets[b]) == 0 {
			continue
		}
		var i uint32
		t.stripes[uint32(b)&t.stripeMask].read(func(uint32) {
			if i = atomic.LoadUint32(&t.buckets[b]); i != 0 {
				t.copyKey(i, out)
			}
		})
		if i != 0 {
			return 0
		}
	}
	return ENOENT
}

// next copies the key behind key in the order of buckets and chains, or the first one.
func (t *table) next(key, out []byte) Errno {
	if key == nil {
		return t.firstFrom(0, out)
	}
	h := t.hash(key)
	s := t.stripe(h)
	var i, next uint32
	s.read(func(n uint32) {
		next = 0
		if i = t.walk(s, n, h, key); i != 0 {
			if next = t.nextOf(i); next != 0 {
				t.copyKey(next, out)
			}
		}
	})
	switch {
	case i == 0:
		return t.firstFrom(0, out)
	case next != 0:
		return 0
	}
	return t.firstFrom(uint64(h&t.mask)+1, out)
}

// chain appends the elements of a bucket.
func (t *table) chain(b uint32, to []uint32) []uint32 {
	if atomic.LoadUint32(&t.buckets[b]) == 0 {
		return to
	}
	n := len(to)
	t.stripes[b&t.stripeMask].read(func(uint32) {
		to = to[:n]
		for i := atomic.LoadUint32(&t.buckets[b]); i != 0 && len(to)-n <= int(t.limit); i = t.nextOf(i) {
			to = append(to, i)
		}
	})
	return to
}

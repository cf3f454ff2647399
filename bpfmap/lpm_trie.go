// Implements lpm_trie: values for prefixes, found by the longest prefix that matches.

package bpfmap

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
)

// trieMaxData is the greatest size of a key without the length of its prefix, in bytes.
const trieMaxData = 256

// trie is a binary tree with skipped levels. A key is the length of a prefix in bits, a 32-bit number, and
// data. A node stands for a prefix; nodes without a value are there where two prefixes part. Node i, from 1, is
// trieData words and those of its data: its children, its length and the number of its value, 0 for none.
// Value i, from 1, is at (i-1)*stride.
//
// Readers take no lock: they look at the number of the lock before and after. A new value for a prefix is
// written to another place than the old one, of which there is one to spare.
type trie struct {
	unsupported
	m        *Local
	lock     seqlock
	root     uint32
	nodes    memory
	size     int // bytes a node
	stride   int
	data     int // bytes of data in a key
	stored   uint32
	freeNode freeList
	freeSlot freeList
}

// Words of a node.
const (
	trieChildren = 0
	trieLength   = 8
	trieSlot     = 16
	trieData     = 24
)

// freeList hands out the numbers from 1 to limit; those given back come first.
type freeList struct {
	back  []uint32
	last  uint32
	limit uint32
}

func (f *freeList) take() uint32 {
	if n := len(f.back); n > 0 {
		i := f.back[n-1]
		f.back = f.back[:n-1]
		return i
	}
	if f.last == f.limit {
		return 0
	}
	f.last++
	return f.last
}

func (f *freeList) give(i uint32) { f.back = append(f.back, i) }

func newTrie(m *Local, _ *Options) impl {
	t := &trie{m: m, data: int(m.def.KeySize) - 4, stride: int(round8(m.def.ValueSize))}
	t.size = trieData + int(round8(m.def.KeySize-4))
	slots := uint64(m.def.MaxEntries) + 1
	m.mem = newMemory(slots * uint64(t.stride))
	t.nodes = newMemory((2*slots + 1) * uint64(t.size))
	t.freeSlot.limit = uint32(min(slots, 1<<32-1))
	t.freeNode.limit = uint32(min(2*slots, 1<<32-1))
	return t
}

func (t *trie) word(node uint32, field int) *uint64 {
	return t.nodes.word(int(node)*t.size + field)
}

func (t *trie) child(node uint32, bit int) uint32 {
	return uint32(atomic.LoadUint64(t.word(node, trieChildren)) >> (32 * bit))
}

// link is the place that refers to a node: the root, or a child of another.
type link struct {
	node uint32 // 0 for the root
	bit  int
}

func (t *trie) follow(l link) uint32 {
	if l.node == 0 {
		return atomic.LoadUint32(&t.root)
	}
	return t.child(l.node, l.bit)
}

func (t *trie) set(l link, to uint32) {
	if l.node == 0 {
		storeHalf(&t.root, to)
		return
	}
	p := t.word(l.node, trieChildren)
	storeWord(p, atomic.LoadUint64(p)&^(0xffffffff<<(32*l.bit))|uint64(to)<<(32*l.bit))
}

func (t *trie) length(node uint32) uint32 { return uint32(atomic.LoadUint64(t.word(node, trieLength))) }
func (t *trie) slot(node uint32) uint32   { return uint32(atomic.LoadUint64(t.word(node, trieSlot))) }

// bit returns bit n of a node's data, from its most significant one.
func (t *trie) bit(node, n uint32) int {
	w := atomic.LoadUint64(t.word(node, trieData+int(n/64*8)))
	return int(bigWord(w) >> (63 - n%64) & 1)
}

// bigWord is a word of memory as a big-endian number.
func bigWord(w uint64) uint64 { return bits.ReverseBytes64(littleWord(w)) }

// bitOf returns bit n of data.
func bitOf(data []byte, n uint32) int { return int(data[n/8] >> (7 - n%8) & 1) }

// common returns how many bits at the start a node and a key have in common, at most those of both prefixes.
func (t *trie) common(node, length uint32, data []byte) uint32 {
	limit := min(t.length(node), length)
	for n := uint32(0); n < limit; n += 64 {
		a := bigWord(atomic.LoadUint64(t.word(node, trieData+int(n/8))))
		var b uint64
		if rest := data[n/8:]; len(rest) >= 8 {
			b = binary.BigEndian.Uint64(rest)
		} else {
			for i, c := range rest {
				b |= uint64(c) << (56 - 8*i)
			}
		}
		if a != b {
			return min(limit, n+uint32(bits.LeadingZeros64(a^b)))
		}
	}
	return limit
}

// split takes a key apart. It fails if the prefix is longer than the data.
func (t *trie) split(key []byte) (length uint32, data []byte, ok bool) {
	length = binary.LittleEndian.Uint32(key)
	return length, key[4:], length <= uint32(t.data)*8
}

// read calls f until it has run on a trie that did not change.
func (t *trie) consistent(f func()) {
	for range maxTries {
		n := t.lock.begin()
		if f(); t.lock.same(n) {
			return
		}
	}
	n := t.lock.lock()
	f()
	t.lock.unlock(n)
}

// search returns the value of the longest prefix of a key, 0 if there is none.
func (t *trie) search(length uint32, data []byte) (slot uint32) {
	most := uint32(t.data) * 8
	steps := 0
	for node := atomic.LoadUint32(&t.root); node != 0 && steps <= int(most); steps++ {
		match := t.common(node, length, data)
		if match < t.length(node) {
			break
		}
		if s := t.slot(node); s != 0 {
			slot = s
		}
		if match >= most {
			break
		}
		node = t.child(node, bitOf(data, match))
	}
	return slot
}

func (t *trie) lookup(key []byte, _ int) (int, bool) {
	length, data, ok := t.split(key)
	if !ok {
		return 0, false
	}
	for range maxTries {
		n := t.lock.begin()
		if slot := t.search(length, data); t.lock.same(n) {
			return int(slot-1) * t.stride, slot != 0
		}
	}
	n := t.lock.lock()
	slot := t.search(length, data)
	t.lock.unlock(n)
	return int(slot-1) * t.stride, slot != 0
}

func (t *trie) read(key, out []byte, _ uint64) Errno {
	length, data, ok := t.split(key)
	if !ok {
		return ENOENT
	}
	var slot uint32
	t.consistent(func() {
		if slot = t.search(length, data); slot != 0 {
			t.m.mem.loadValue(out, int(slot-1)*t.stride, &t.m.fields)
		}
	})
	return found(slot)
}

// descend follows a key to the node where the search ends: the node of the prefix, the first that differs
// from it, or 0 below the last one. at refers to it, and above to the node that at is in. The lock is held.
func (t *trie) descend(length uint32, data []byte) (above, at link, node, match uint32) {
	for node = t.follow(at); node != 0; node = t.follow(at) {
		match = t.common(node, length, data)
		if t.length(node) != match || match == length {
			break
		}
		above, at = at, link{node, bitOf(data, match)}
	}
	return above, at, node, match
}

// make returns a new node with a key's data.
func (t *trie) make(length uint32, data []byte, slot uint32) uint32 {
	n := t.freeNode.take()
	storeWord(t.word(n, trieChildren), 0)
	storeWord(t.word(n, trieLength), uint64(length))
	storeWord(t.word(n, trieSlot), uint64(slot))
	t.nodes.store(int(n)*t.size+trieData, data)
	return n
}

// dataOf returns a copy of a node's data.
func (t *trie) dataOf(node uint32) []byte {
	out := make([]byte, t.data)
	t.nodes.load(out, int(node)*t.size+trieData)
	return out
}

func (t *trie) update(key, value []byte, flags uint64, _ int) Errno {
	length, data, ok := t.split(key)
	if !ok || flags > updateExist {
		return EINVAL
	}
	n := t.lock.lock()
	defer t.lock.unlock(n)
	_, at, node, match := t.descend(length, data)
	same := node != 0 && t.length(node) == match // of the same prefix: the search would have gone on else
	there := same && t.slot(node) != 0
	if e := checkPresence(flags, there); e != 0 {
		return e
	}
	if !there && t.stored == t.m.def.MaxEntries {
		return ENOSPC
	}
	slot := t.freeSlot.take()
	off := int(slot-1) * t.stride
	t.m.mem.zero(off, t.stride)
	t.m.mem.storeValue(off, value, &t.m.fields)
	switch {
	case same:
		if there {
			t.freeSlot.give(t.slot(node))
		} else {
			t.stored++
		}
		t.nodes.store(int(node)*t.size+trieData, data) // bits behind the prefix may differ
		storeWord(t.word(node, trieSlot), uint64(slot))
		return 0
	case node == 0:
		t.set(at, t.make(length, data, slot))
	case match == length:
		fresh := t.make(length, data, slot)
		t.set(link{fresh, t.bit(node, match)}, node)
		t.set(at, fresh)
	default:
		fork := t.make(match, t.dataOf(node), 0)
		fresh := t.make(length, data, slot)
		bit := bitOf(data, match)
		t.set(link{fork, bit}, fresh)
		t.set(link{fork, 1 - bit}, node)
		t.set(at, fork)
	}
	t.stored++
	return 0
}

func (t *trie) remove(key []byte) Errno {
	length, data, ok := t.split(key)
	if !ok {
		return EINVAL
	}
	n := t.lock.lock()
	defer t.lock.unlock(n)
	above, at, node, match := t.descend(length, data)
	if node == 0 || t.length(node) != length || match != length || t.slot(node) == 0 {
		return ENOENT
	}
	t.stored--
	t.freeSlot.give(t.slot(node))
	left, right := t.child(node, 0), t.child(node, 1)
	parent := at.node
	switch {
	case left != 0 && right != 0:
		storeWord(t.word(node, trieSlot), 0)
		return 0
	case left == 0 && right == 0 && parent != 0 && t.slot(parent) == 0:
		t.set(above, t.child(parent, 1-at.bit)) // the fork goes as well
		t.freeNode.give(parent)
	default:
		t.set(at, left+right)
	}
	t.freeNode.give(node)
	return 0
}

// next goes through the prefixes in the kernel's order: longer ones before those they are in.
func (t *trie) next(key, out []byte) Errno {
	var e Errno
	t.consistent(func() { e = t.nextNode(key, out) })
	return e
}

func (t *trie) nextNode(key, out []byte) Errno {
	path := t.pathTo(key)
	start := atomic.LoadUint32(&t.root)
	if len(path) > 0 {
		node := path[len(path)-1]
		start = 0
		for i := len(path) - 2; i >= 0 && start == 0; i-- {
			parent := path[i]
			if t.child(parent, 0) == node {
				start = t.child(parent, 1)
			}
			if start == 0 && t.slot(parent) != 0 {
				return t.copyKey(parent, out)
			}
			node = parent
		}
	}
	last := uint32(0)
	for node, steps := start, 0; node != 0 && steps <= 8*t.data+1; steps++ { // the leftmost and deepest
		left := t.child(node, 0)
		if t.slot(node) != 0 {
			last = node
			if left == 0 {
				left = t.child(node, 1)
			}
		}
		node = left
	}
	if last == 0 {
		return ENOENT
	}
	return t.copyKey(last, out)
}

// pathTo returns the nodes from the root to the one of a key, nil if there is none.
func (t *trie) pathTo(key []byte) []uint32 {
	if key == nil {
		return nil
	}
	length, data, ok := t.split(key)
	if !ok {
		return nil
	}
	var path []uint32
	for node := atomic.LoadUint32(&t.root); node != 0 && len(path) <= 8*t.data+1; {
		path = append(path, node)
		match := t.common(node, length, data)
		if match != t.length(node) {
			return nil
		}
		if match == length {
			if t.slot(node) == 0 {
				return nil
			}
			return path
		}
		node = t.child(node, bitOf(data, match))
	}
	return nil
}

func (t *trie) copyKey(node uint32, out []byte) Errno {
	binary.LittleEndian.PutUint32(out, t.length(node))
	t.nodes.load(out[4:], int(node)*t.size+trieData)
	return 0
}

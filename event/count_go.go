// Implements counting in Go, for records that the code of a counter leaves to it.

package event

import (
	"encoding/binary"
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// countInGo does what the code of a counter does, to the same table.
func (c *Counter) countInGo(rec []byte) uint64 {
	if evaluate(c.layout(), c.when, rec) != True {
		return countNo
	}
	e := &evaluator{c.layout(), rec}
	var keys []uint64
	for _, n := range c.by {
		v, ok := e.value(n)
		if !ok {
			return countNo
		}
		if n.kind == IP {
			b := v.a.As16()
			keys = append(keys, binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]))
			continue
		}
		if !n.kind.text() {
			keys = append(keys, uint64(v.i))
			continue
		}
		var b [16]byte
		copy(b[:], v.s)
		keys = append(keys, binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:]))
	}
	size, table := c.slotSize(), c.table.Memory()
	h := uint64(0)
	for _, k := range keys {
		h = (h ^ k) * 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	word := func(i, at int) *uint64 { return (*uint64)(unsafe.Pointer(&table[i*size+at])) }
	for try := range c.slots {
		i := (int(h&uint64(c.slots-1)) + try) & (c.slots - 1)
		if len(keys) > 0 && !claim(keys, func(at int) *uint64 { return word(i, at) }) {
			continue
		}
		if n := atomic.AddUint64(word(i, slotCount), 1); c.every > 0 && (n-1)%c.every != 0 {
			return countSkipped
		}
		return countYes
	}
	return countFull
}

// claim reports whether a slot is that of a key, or has become it.
func claim(keys []uint64, word func(at int) *uint64) bool {
	for {
		switch atomic.LoadUint64(word(slotState)) {
		case slotFree:
			if !atomic.CompareAndSwapUint64(word(slotState), slotFree, slotTaken) {
				continue
			}
			for n, k := range keys {
				*word(slotKey + 8*n) = k
			}
			atomic.StoreUint64(word(slotState), slotReady)
			return true
		case slotTaken:
			runtime.Gosched()
			continue
		}
		for n, k := range keys {
			if *word(slotKey + 8*n) != k {
				return false
			}
		}
		return true
	}
}

// Log2 is how many bits a whole number has that is not negative: 0 for 0 and negative ones, n for those from 2^(n-1) up to
// but not 2^n. It makes a counter a histogram.
func Log2(e Expr) Expr { return Expr{make1(opLog2, e)} }

func log2(k Kind, v int64) int64 {
	if k != Uint && v < 0 {
		return 0
	}
	return int64(bits.Len64(uint64(v)))
}

// Implements bloom_filter: a set that may say yes to what was never put in, and never no to what was.

package bpfmap

import (
	"encoding/binary"
	"math"
	"sync/atomic"

	"github.com/skepbpf/skep/spec"
)

// bloom is a field of bits. A value sets or asks for as many as there are hash functions.
type bloom struct {
	unsupported
	bits  []uint64
	mask  uint32 // number of bits less 1
	funcs int
	seed  uint64
}

func newBloom(m *Local, o *Options) impl {
	n := bloomBits(&m.def)
	return &bloom{bits: zeros[uint64]((n + 63) / 64), mask: uint32(n - 1), funcs: bloomFuncs(&m.def), seed: seedOf(o)}
}

// bloomFuncs returns the number of hash functions, 5 if the definition does not say.
func bloomFuncs(def *spec.Map) int {
	if n := int(def.Extra & 15); n > 0 {
		return n
	}
	return 5
}

// bloomBits returns the number of bits: as many as give the fewest false answers when the filter is full,
// which is entries * functions / ln 2, rounded up to a power of two.
func bloomBits(def *spec.Map) uint64 {
	n := uint64(def.MaxEntries) * uint64(bloomFuncs(def))
	if n > math.MaxUint32 || n/5*7 > 1<<31 {
		return 1 << 32
	}
	return powerAbove(max(n/5*7, 64))
}

// place returns the word and the bit of a value for hash function i.
func (b *bloom) place(value []byte, i int) (*uint64, uint64) {
	h := b.seed + uint64(i)*hashMultiplier
	for len(value) >= 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(value))
		value = value[8:]
	}
	if len(value) > 0 {
		h = mix(h ^ tail(value))
	}
	n := uint32(h>>32) & b.mask
	return &b.bits[n/64], 1 << (n % 64)
}

func (b *bloom) push(value []byte, flags uint64) Errno {
	if flags != 0 {
		return EINVAL
	}
	for i := range b.funcs {
		word, bit := b.place(value, i)
		if atomic.LoadUint64(word)&bit == 0 {
			atomic.OrUint64(word, bit)
		}
	}
	return 0
}

// peek asks for the value in out.
func (b *bloom) peek(out []byte) Errno { return b.has(out) }

func (b *bloom) has(value []byte) Errno {
	for i := range b.funcs {
		if word, bit := b.place(value, i); atomic.LoadUint64(word)&bit == 0 {
			return ENOENT
		}
	}
	return 0
}

func (b *bloom) update([]byte, []byte, uint64, int) Errno { return EINVAL }
func (b *bloom) remove([]byte) Errno                      { return EOPNOTSUPP }
func (b *bloom) next([]byte, []byte) Errno                { return EOPNOTSUPP }

// contents returns the bits, as one value.
func (b *bloom) contents() [][]byte {
	out := make([]byte, 8*len(b.bits))
	for i := range b.bits {
		binary.LittleEndian.PutUint64(out[8*i:], atomic.LoadUint64(&b.bits[i]))
	}
	return [][]byte{out}
}

func (b *bloom) restore(values [][]byte) Errno {
	if len(values) != 1 || len(values[0]) != 8*len(b.bits) {
		return EINVAL
	}
	for i := range b.bits {
		atomic.StoreUint64(&b.bits[i], binary.LittleEndian.Uint64(values[0][8*i:]))
	}
	return 0
}

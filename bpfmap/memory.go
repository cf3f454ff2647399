// Implements the memory of values: words that are never torn for anybody, whoever else reads and writes them.

package bpfmap

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/skepbpf/skep/spec"
)

// zeros returns n zeros. Many of them take no memory before they are touched: the runtime gets them from the
// system, which commits pages one by one, and what was in use before is given back.
func zeros[T byte | uint32 | uint64](n uint64) []T {
	const large = 1 << 20
	out := make([]T, n)
	if size := n * uint64(unsafe.Sizeof(*new(T))); size >= large {
		giveBack(unsafe.Slice((*byte)(unsafe.Pointer(&out[0])), size))
	}
	return out
}

// memory is a piece of zeroed memory, 8-byte aligned.
type memory struct {
	words []uint64
	base  unsafe.Pointer // of words; nil if there are none
}

func newMemory(bytes uint64) memory {
	m := memory{words: zeros[uint64]((bytes + 7) / 8)}
	if len(m.words) > 0 {
		m.base = unsafe.Pointer(&m.words[0])
	}
	return m
}

// bytes returns all of the memory.
func (m *memory) bytes() []byte {
	if m.base == nil {
		return nil
	}
	return unsafe.Slice((*byte)(m.base), len(m.words)*8)
}

// word returns the word at a byte offset, a multiple of 8.
func (m *memory) word(off int) *uint64 { return &m.words[uint(off)/8] }

// half returns the 32-bit half word at a byte offset, a multiple of 4.
func (m *memory) half(off int) *uint32 {
	_ = &m.words[off/8]
	return (*uint32)(unsafe.Add(m.base, off))
}

// load copies len(out) bytes from off, a multiple of 8, word by word.
func (m *memory) load(out []byte, off int) {
	if len(out) == 8 {
		binary.NativeEndian.PutUint64(out, atomic.LoadUint64(m.word(off)))
		return
	}
	w := m.words[off/8:]
	for i := 0; len(out) >= 8; i++ {
		binary.NativeEndian.PutUint64(out, atomic.LoadUint64(&w[i]))
		out, off = out[8:], off+8
	}
	if len(out) > 0 {
		var last [8]byte
		binary.NativeEndian.PutUint64(last[:], atomic.LoadUint64(m.word(off)))
		copy(out, last[:])
	}
}

// store copies data to off, a multiple of 8, word by word, and zeroes the rest of the last word.
func (m *memory) store(off int, data []byte) {
	if len(data) == 8 {
		storeWord(m.word(off), binary.NativeEndian.Uint64(data))
		return
	}
	w := m.words[off/8:]
	for i := 0; len(data) >= 8; i++ {
		storeWord(&w[i], binary.NativeEndian.Uint64(data))
		data, off = data[8:], off+8
	}
	if len(data) > 0 {
		var last [8]byte
		copy(last[:], data)
		storeWord(m.word(off), binary.NativeEndian.Uint64(last[:]))
	}
}

// zero clears n bytes at off, up to the end of the last word.
func (m *memory) zero(off, n int) {
	for end := off + n; off < end; off += 8 {
		storeWord(m.word(off), 0)
	}
}

// round8 rounds up to whole words.
func round8(n uint32) uint64 { return (uint64(n) + 7) &^ 7 }

// fields are the special fields of a value, which copies leave alone: bit i%64 of word i/64 stands for the
// four bytes at 4*i. Empty if there are none.
type fields struct {
	skip     []uint64
	spinLock int // offset of the lock; -1 if there is none
}

var fieldSizes = map[spec.FieldKind]uint32{spec.SpinLock: 4, spec.ResSpinLock: 4, spec.Timer: 16, spec.WorkQueue: 16, spec.TaskWork: 8,
	spec.Kptr: 8, spec.KptrUntrusted: 8, spec.PerCPUKptr: 8, spec.Uptr: 8, spec.ListHead: 16, spec.ListNode: 24, spec.RBRoot: 16, spec.RBNode: 32,
	spec.Refcount: 4}

func newFields(def *spec.Map) (fields, bool) {
	f := fields{spinLock: -1}
	for _, d := range def.Fields {
		size := fieldSizes[d.Kind]
		if size == 0 || d.Offset%min(size, 8) != 0 || uint64(d.Offset)+uint64(size) > uint64(def.ValueSize) {
			return f, false
		}
		if d.Kind == spec.SpinLock {
			if f.spinLock >= 0 {
				return f, false
			}
			f.spinLock = int(d.Offset)
		}
		if f.skip == nil {
			f.skip = make([]uint64, def.ValueSize/4/64+1)
		}
		for i := d.Offset / 4; i < (d.Offset+size)/4; i++ {
			f.skip[i/64] |= 1 << (i % 64)
		}
	}
	return f, true
}

func (f *fields) skips(off int) bool { return f.skip[off/4/64]>>(off/4%64)&1 != 0 }

// loadValue is load that gives zeros for special fields.
func (m *memory) loadValue(out []byte, off int, f *fields) {
	m.load(out, off)
	if f.skip == nil {
		return
	}
	for i := 0; i+4 <= len(out); i += 4 {
		if f.skips(i) {
			clear(out[i : i+4])
		}
	}
}

// storeValue is store that leaves special fields as they are.
func (m *memory) storeValue(off int, data []byte, f *fields) {
	if f.skip == nil {
		m.store(off, data)
		return
	}
	for i := 0; i < len(data); i += 4 {
		if !f.skips(i) {
			var part [4]byte
			copy(part[:], data[i:])
			storeHalf(m.half(off+i), binary.NativeEndian.Uint32(part[:]))
		}
	}
}

// lockValue takes the bpf_spin_lock of the value at off, as a program would: it holds 1 then, in little endian.
func (m *memory) lockValue(off int, f *fields) {
	for n := 0; !atomic.CompareAndSwapUint32(m.half(off+f.spinLock), 0, littleHalf(1)); n++ {
		pause(n)
	}
}

func (m *memory) unlockValue(off int, f *fields) {
	storeHalf(m.half(off+f.spinLock), 0)
}

// littleHalf is a number as its little-endian bytes make it on this host.
func littleHalf(n uint32) uint32 {
	if littleHost {
		return n
	}
	return bits.ReverseBytes32(n)
}

// littleWord is a word of memory as a little-endian number, or the reverse.
func littleWord(w uint64) uint64 {
	if littleHost {
		return w
	}
	return bits.ReverseBytes64(w)
}

// littleHost tells whether this machine has the byte order of guest memory.
var littleHost = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// littlePut writes a number into four or more bytes, little endian, and zeroes the rest.
func littlePut(b []byte, n uint32) {
	binary.LittleEndian.PutUint32(b, n)
	clear(b[4:])
}

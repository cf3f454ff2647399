// Implements what machine code needs to know to work on maps by itself.

package bpfmap

import "unsafe"

// LayoutKind says how elements are found.
type LayoutKind uint8

// The kinds.
const (
	LayoutNone  LayoutKind = iota // by calling Go
	LayoutArray                   // by index: key times ValueStride, if key is below Entries
	LayoutHash                    // by the hash table that Layout describes
)

// Layout says where a map is in memory, for machine code. The addresses are good as long as the map is
// referred to.
//
// Looking a key up in a hash map, without a lock:
//
//  1. h is Seed; for each 8 bytes of the key as a little-endian number w, the last ones filled up with
//     zeros, p = (h XOR w) * Multiplier in 128 bits, h = high half XOR low half. From then on h is the low
//     32 bits.
//  2. s = Stripes + (h AND Mask AND StripeMask) * StripeStride. n = the 32-bit word at s + StripeSeq. If it is odd, call Go.
//  3. i = the 32-bit word at Buckets + (h AND Mask) * 4. While i is not 0: e = Elements + i * EntryStride; if the word at
//     e + EntryHash is h and the KeySize bytes at e + EntryKey are the key, it is found. Else i = the word at
//     e + EntryNext. After some 16 steps call Go.
//  4. If the word at s + StripeSeq is not n any more, call Go. Else the value is at Memory + (i-1) *
//     ValueStride + cpu * CPUStride, or there is none. In maps with Refs, if the 32-bit word at Refs + i * 4
//     is 0, make it 1.
//
// Updating a key that is there, for maps with Replace set: exchange the word at s + StripeSeq from an even n
// to n+1, atomically (if it was odd or changed, call Go). Find element i and the one before it as above.
// If it is not there, store n and call Go. k = the word at s + StripeSpare. Write the value of element k (whole words of 8
// bytes, the last one filled up with zeros) and its key; its hash; its next, from i. Store k where i was: the
// bucket or the next of the element before. Store i to s + StripeSpare, then n+2 to s + StripeSeq, in an order
// that other processors see as well. In maps with Refs, make the word at Refs + k * 4 1.
//
// Multi-byte numbers in the table are in the host's byte order; keys and values are bytes.
type Layout struct {
	Kind        LayoutKind
	Memory      unsafe.Pointer // as Local.Memory
	KeySize     uint32
	ValueSize   uint32
	ValueStride uintptr // bytes from one value to the next
	CPUStride   uintptr // bytes from one CPU's value to the next one's; 0 if there is one value only
	CPUs        uint32
	Entries     uint32 // of arrays: elements

	Seed, Multiplier                 uint64
	Mask, StripeMask                 uint32
	Buckets, Stripes, Elements, Refs unsafe.Pointer
	StripeStride, EntryStride        uintptr
	StripeSeq, StripeSpare           uintptr
	EntryNext, EntryHash, EntryKey   uintptr
	Replace                          bool // an update of a key that is there may be done as described
}

// Layout returns where the map is in memory.
func (m *Local) Layout() Layout {
	l := Layout{KeySize: m.def.KeySize, ValueSize: m.def.ValueSize, CPUs: 1, Memory: m.mem.base, ValueStride: uintptr(round8(m.def.ValueSize))}
	switch x := m.impl.(type) {
	case *array:
		l.Kind, l.Entries = LayoutArray, x.entries
	case *percpuArray:
		l.Kind, l.Entries = LayoutArray, x.entries
		l.CPUs, l.CPUStride = uint32(m.cpus), uintptr(x.each1)
	case *hash:
		x.layout(&l)
	}
	return l
}

func (x *hash) layout(l *Layout) {
	t := x.t
	l.Kind = LayoutHash
	if x.perCPU != 0 {
		l.CPUs, l.CPUStride = uint32(x.m.cpus), uintptr(x.perCPU)
	}
	l.Seed, l.Multiplier, l.Mask, l.StripeMask = t.seed, hashMultiplier, t.mask, t.stripeMask
	l.Buckets, l.Stripes, l.Elements = unsafe.Pointer(&t.buckets[0]), unsafe.Pointer(&t.stripes[0]), t.entries.base
	if t.refs != nil {
		l.Refs = unsafe.Pointer(&t.refs[0])
	}
	l.StripeStride, l.EntryStride = unsafe.Sizeof(stripe{}), uintptr(t.stride)
	l.StripeSeq, l.StripeSpare = unsafe.Offsetof(stripe{}.seqlock), unsafe.Offsetof(stripe{}.spare)
	l.EntryNext, l.EntryHash, l.EntryKey = entryNext, entryHash, entryKey
	l.Replace = x.perCPU == 0 && x.m.fields.skip == nil
}

// Implements the input of filters, struct seccomp_data.

package seccomp

import (
	"encoding/binary"

	"github.com/skepbpf/skep/classic"
)

// Data is a system call as a filter sees it, struct seccomp_data of linux/seccomp.h.
type Data struct {
	Nr   uint32    // number, of an x32 call with bit 30
	Arch uint32    // AUDIT_ARCH_ number; bit 30 says that the machine is little endian
	IP   uint64    // instruction pointer
	Args [6]uint64 // arguments; those of 32-bit calls have no high halves
}

// NewData returns the data of a call by its name. It reports false if the architecture has no such call.
func NewData(arch Arch, name string, args ...uint64) (Data, bool) {
	n, ok := arch.Number(name)
	if !ok {
		return Data{}, false
	}
	d := Data{Nr: n, Arch: arch.Audit()}
	copy(d.Args[:], args)
	return d, true
}

// words is the number of words of struct seccomp_data.
const words = classic.SeccompDataSize / 4

// Words of a call in the order in which diagrams look at them: first those that tell what the call is, and high
// halves before low ones.
const (
	wordArch = iota
	wordNr
	wordArgs             // high half of argument 0, low half, and so on
	wordIP   = words - 2 // high half
)

// offset returns where a word lies in struct seccomp_data.
func offset(word int, bigEndian bool) uint32 {
	switch word {
	case wordArch:
		return 4
	case wordNr:
		return 0
	}
	at := 16 + 8*(uint32(word-wordArgs)/2)
	if word >= wordIP {
		at = 8
	}
	if low := word&1 == 1; low == bigEndian {
		at += 4
	}
	return at
}

// wordAt is the reverse of offset.
func wordAt(off uint32, bigEndian bool) int {
	for w := range words {
		if offset(w, bigEndian) == off {
			return w
		}
	}
	panic("seccomp: no such word")
}

// dataOf returns the call with given words, in the order of diagrams.
func dataOf(w []uint32) Data {
	d := Data{Arch: w[wordArch], Nr: w[wordNr], IP: uint64(w[wordIP])<<32 | uint64(w[wordIP+1])}
	for i := range d.Args {
		d.Args[i] = uint64(w[wordArgs+2*i])<<32 | uint64(w[wordArgs+2*i+1])
	}
	return d
}

// Encode writes the call to buf, which must have 64 bytes, as a filter's words: each in little-endian order, which
// is Skep's, and the halves of a number in the order of the architecture.
func (d *Data) Encode(buf []byte) {
	_ = buf[classic.SeccompDataSize-1]
	put := binary.LittleEndian.PutUint32
	put(buf, d.Nr)
	put(buf[4:], d.Arch)
	first, second := 0, 4 // where low and high half go
	if d.Arch&littleEndian == 0 {
		first, second = 4, 0
	}
	put(buf[8+first:], uint32(d.IP))
	put(buf[8+second:], uint32(d.IP>>32))
	for i, a := range d.Args {
		put(buf[16+8*i+first:], uint32(a))
		put(buf[16+8*i+second:], uint32(a>>32))
	}
}

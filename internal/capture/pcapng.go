// Implements the pcapng form: blocks of all kinds, of which some hold packets.

package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
)

// Types of blocks (IETF draft-ietf-opsawg-pcapng, section 4 and the registry in section 10).
const (
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockEnhanced   = 6
	blockSecrets    = 10
	blockCustom     = 0x00000bad // to be copied; its twin that is not to be is 0x40000bad
	blockSection    = 0x0a0d0d0a
)

const (
	// maxBlock is the longest block taken from a file, bytes: the limit of libpcap and Wireshark for most files.
	maxBlock = 16 << 20
	// maxInterfaces is how many interfaces a section may have.
	maxInterfaces = 65536
)

// Options of an interface description that say what its times mean.
const (
	optionEnd        = 0
	optionResolution = 9
	optionOffset     = 14
)

// ngForm walks the blocks of a pcapng file.
type ngForm struct {
	swap       bool          // numbers of the section are in big endian
	interfaces []ngInterface // of the section
}

// ngInterface is what an interface description says about packets.
type ngInterface struct {
	link       uint16
	resolution uint8  // of times: 10^-n seconds, or 2^-n if the highest bit is set
	snap       uint32 // 0 if there is no limit
	offset     int64  // seconds to add to times
}

func (f *ngForm) file() fileInfo { return fileInfo{nanos: true} }

// order returns n, read in little endian, as the section means it.
func (f *ngForm) order(n uint32) uint32 {
	if f.swap {
		n = bits.ReverseBytes32(n)
	}
	return n
}

func (f *ngForm) uint32(b []byte) uint32 { return f.order(binary.LittleEndian.Uint32(b)) }

func (f *ngForm) uint16(b []byte) uint16 {
	if f.swap {
		return binary.BigEndian.Uint16(b)
	}
	return binary.LittleEndian.Uint16(b)
}

// walk takes whole blocks. A batch ends before a block for its head once there are packets, and before a packet of
// another link type. See form.
func (f *ngForm) walk(b *Batch) (int, error) {
	data, at, n, headEnd := b.block, 0, 0, 0
	var err error
	for n < maxBatch && len(data)-at >= 12 {
		var kind uint32
		var total int
		if kind, total, err = f.header(data[at:]); err != nil || total > len(data)-at {
			break
		}
		block := data[at : at+total : at+total]
		if end := data[at+total-4 : at+total]; string(end) != string(block[4:8]) {
			err = fmt.Errorf("its block begins with the length % x and ends with % x", block[4:8], end)
			break
		}
		switch kind {
		case blockEnhanced, blockSimple, blockPacket:
			var link uint16
			var from, length int
			if link, from, length, err = f.packet(kind, block); err != nil || n > 0 && link != b.LinkType {
				b.Packets = b.room[:n]
				return at, err
			}
			b.LinkType = link
			b.room[n] = block[from : from+length : from+length]
			b.starts[n], b.ends[n] = uint32(at), uint32(at+total)
			n++
		case blockSection, blockInterface, blockNames, blockStatistics, blockSecrets, blockCustom:
			if n > 0 || len(b.Head) > 0 && headEnd != at {
				b.Packets = b.room[:n]
				return at, nil
			}
			if err = f.describe(kind, block); err != nil {
				return at, err
			}
			headEnd = at + total
			b.Head = data[headEnd-total-len(b.Head) : headEnd : headEnd]
		}
		at += total
	}
	b.Packets = b.room[:n]
	return at, err
}

// header reads the type and the length of the block that starts at b, of which 12 bytes are there.
func (f *ngForm) header(b []byte) (kind uint32, total int, err error) {
	length := binary.LittleEndian.Uint32(b[4:])
	kind = f.uint32(b)
	if kind != blockSection {
		length = f.order(length)
	} else if swap, err := sectionOrder(b[8:12]); err != nil {
		return 0, 0, err
	} else if swap {
		length = bits.ReverseBytes32(length)
	}
	if length < shortest(kind) || length > maxBlock || length%4 != 0 {
		return 0, 0, fmt.Errorf("the length of its block is given as %d bytes, expected a multiple of 4 from %d to %d", length, shortest(kind), maxBlock)
	}
	return kind, int(length), nil
}

// sectionOrder tells by a section's byte order magic whether its numbers are in big endian.
func sectionOrder(magic []byte) (swap bool, err error) {
	switch string(magic) {
	case "\x4d\x3c\x2b\x1a":
		return false, nil
	case "\x1a\x2b\x3c\x4d":
		return true, nil
	}
	return false, fmt.Errorf("the byte order of its section is given as % x, expected 1a 2b 3c 4d or the reverse", magic)
}

// shortest returns the least length of a block, bytes.
func shortest(kind uint32) uint32 {
	switch kind {
	case blockEnhanced, blockPacket:
		return 32
	case blockSimple:
		return 16
	case blockSection:
		return 28
	case blockInterface:
		return 20
	}
	return 12
}

// packet finds the packet in its block: its link type, where it starts and how long it is.
func (f *ngForm) packet(kind uint32, block []byte) (link uint16, from, length int, err error) {
	i := f.source(kind, block)
	if uint64(i) >= uint64(len(f.interfaces)) {
		return 0, 0, 0, fmt.Errorf("it is of interface %d, but its section describes only %d before it", i, len(f.interfaces))
	}
	face := &f.interfaces[i]
	var captured uint32
	if from = 28; kind == blockSimple {
		from, captured = 12, f.uint32(block[8:])
		if face.snap > 0 {
			captured = min(captured, face.snap)
		}
	} else {
		captured = f.uint32(block[20:])
	}
	if captured > maxPacket {
		return 0, 0, 0, fmt.Errorf("its length is given as %d bytes, at most %d are allowed", captured, maxPacket)
	}
	if room := len(block) - 4 - from; int(captured) > room {
		return 0, 0, 0, fmt.Errorf("its length is given as %d bytes, but its block has room for %d", captured, room)
	}
	return face.link, from, int(captured), nil
}

// source returns the number of a packet's interface. Simple packets are of the first.
func (f *ngForm) source(kind uint32, block []byte) uint32 {
	switch kind {
	case blockEnhanced:
		return f.uint32(block[8:])
	case blockPacket:
		return uint32(f.uint16(block[8:]))
	}
	return 0
}

// describe takes note of a block that says something about those behind it.
func (f *ngForm) describe(kind uint32, block []byte) error {
	switch kind {
	case blockSection:
		return f.beginSection(block)
	case blockInterface:
		return f.addInterface(block)
	}
	return nil
}

// beginSection begins a section with no interfaces, and makes its length in the block unknown.
func (f *ngForm) beginSection(block []byte) error {
	swap, err := sectionOrder(block[8:12])
	if err != nil {
		return err
	}
	section := ngForm{swap: swap, interfaces: f.interfaces[:0]}
	// Version 1.2 is what some programs call 1.0 with newer blocks in it.
	if major, minor := section.uint16(block[12:]), section.uint16(block[14:]); major != 1 || minor != 0 && minor != 2 {
		return fmt.Errorf("it is pcapng of version %d.%d, expected 1.0 or 1.2", major, minor)
	}
	*f = section
	binary.LittleEndian.PutUint64(block[16:], ^uint64(0))
	return nil
}

// addInterface reads an interface description.
func (f *ngForm) addInterface(block []byte) error {
	if len(f.interfaces) == maxInterfaces {
		return fmt.Errorf("its section describes more than %d interfaces", maxInterfaces)
	}
	face := ngInterface{link: f.uint16(block[8:]), resolution: 6, snap: f.uint32(block[12:])}
	for options := block[16 : len(block)-4]; len(options) >= 4; {
		code, length := f.uint16(options), int(f.uint16(options[2:]))
		if code == optionEnd {
			break
		}
		padded := 4 + (length+3)&^3
		if padded > len(options) {
			return fmt.Errorf("option %d of interface %d is given as %d bytes, but its block has room for %d", code, len(f.interfaces), length, len(options)-4)
		}
		value := options[4 : 4+length]
		switch {
		case code == optionResolution && length >= 1:
			face.resolution = value[0]
		case code == optionOffset && length >= 8:
			high, low := f.uint32(value), f.uint32(value[4:])
			if !f.swap {
				high, low = low, high
			}
			face.offset = int64(uint64(high)<<32 | uint64(low))
		}
		options = options[padded:]
	}
	f.interfaces = append(f.interfaces, face)
	return nil
}

func (f *ngForm) time(record []byte) time.Time {
	kind := f.uint32(record)
	if kind == blockSimple {
		return time.Time{}
	}
	face := &f.interfaces[f.source(kind, record)]
	sec, nano := seconds(uint64(f.uint32(record[12:]))<<32|uint64(f.uint32(record[16:])), face.resolution)
	return time.Unix(int64(sec)+face.offset, int64(nano)).UTC()
}

func (f *ngForm) wireLen(record []byte) uint32 {
	if f.uint32(record) == blockSimple {
		return f.uint32(record[8:])
	}
	return f.uint32(record[24:])
}

// seconds splits a time in units of the given resolution.
func seconds(t uint64, resolution uint8) (sec, nano uint64) {
	n := int(resolution & 0x7f)
	switch {
	case resolution&0x80 != 0:
		high, low := bits.Mul64(t&(1<<n-1), 1e9)
		if n < 64 {
			return t >> n, high<<(64-n) | low>>n
		}
		return 0, high >> (n - 64)
	case n <= 9:
		return t / power(n), t % power(n) * power(9-n)
	case n <= 19:
		return t / power(n), t % power(n) / power(n-9)
	case n <= 28:
		return 0, t / power(n-9)
	}
	return 0, 0
}

// power returns 10^n, n at most 19.
func power(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

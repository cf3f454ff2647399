// Implements dynptrs: pointers whose size is known at run time, kept in 16 bytes of the program's stack.

package helper

import "encoding/binary"

// dynptr is a dynptr as the stack has it: an address, the size with type and read-only bit, an offset. The address
// of one that stands for a packet is the context's.
type dynptr struct{ b []byte }

// What a dynptr is a pointer to (enum bpf_dynptr_type).
type dynptrKind uint32

const (
	dynptrLocal dynptrKind = iota + 1
	dynptrRing
	dynptrSKB
	dynptrXDP
)

const (
	dynptrBytes    = 16
	dynptrMax      = 1<<24 - 1
	dynptrShift    = 28
	dynptrReadOnly = 1 << 31
)

func (c *Call) dynptr(addr uint64, write bool) (dynptr, error) {
	b, err := c.Bytes(addr, dynptrBytes, write)
	return dynptr{b}, err
}

func (d dynptr) data() uint64   { return binary.LittleEndian.Uint64(d.b) }
func (d dynptr) word() uint32   { return binary.LittleEndian.Uint32(d.b[8:]) }
func (d dynptr) size() uint32   { return d.word() & dynptrMax }
func (d dynptr) readOnly() bool { return d.word()&dynptrReadOnly != 0 }
func (d dynptr) offset() uint32 { return binary.LittleEndian.Uint32(d.b[12:]) }

func (d dynptr) kind() dynptrKind { return dynptrKind(d.word() &^ dynptrReadOnly >> dynptrShift) }

func (d dynptr) set(data uint64, kind dynptrKind, offset, size uint32) {
	binary.LittleEndian.PutUint64(d.b, data)
	binary.LittleEndian.PutUint32(d.b[8:], size|uint32(kind)<<dynptrShift)
	binary.LittleEndian.PutUint32(d.b[12:], offset)
}

func (d dynptr) setReadOnly() { binary.LittleEndian.PutUint32(d.b[8:], d.word()|dynptrReadOnly) }
func (d dynptr) clear()       { clear(d.b) }

// has reports whether n bytes at off are inside.
func (d dynptr) has(off, n uint32) bool { return n <= d.size() && off <= d.size()-n }

// inMemory reports whether it points to memory that the program sees.
func (d dynptr) inMemory() bool { return d.kind() == dynptrLocal || d.kind() == dynptrRing }

// bytes returns n bytes at off, which are inside; nil if they are no longer there.
func (d dynptr) bytes(c *Call, off, n uint32, write bool) ([]byte, errno, error) {
	at := uint64(d.offset()) + uint64(off)
	switch d.kind() {
	case dynptrLocal, dynptrRing:
		b, err := c.Bytes(d.data()+at, int(n), write)
		return b, 0, err
	case dynptrSKB, dynptrXDP:
		data := c.packet()
		if at+uint64(n) > uint64(len(data)) {
			return nil, eFAULT, nil
		}
		return data[at : at+uint64(n)], 0, nil
	}
	return nil, eFAULT, nil
}

// slice returns the address of n bytes at off, or 0.
func (d dynptr) slice(c *Call, off, n uint32) (uint64, error) {
	if d.data() == 0 || !d.has(off, n) {
		return 0, nil
	}
	at := uint64(d.offset()) + uint64(off)
	if d.inMemory() {
		return d.data() + at, nil
	}
	data := c.packet()
	if at+uint64(n) > uint64(len(data)) {
		return 0, nil
	}
	return c.PacketAddr() + at, nil
}

// packet returns the packet's bytes, without the metadata ahead of it.
func (c *Call) packet() []byte {
	data, meta := c.PacketData()
	return data[meta:]
}

// load copies n bytes at off to dst.
func (d dynptr) load(c *Call, dst []byte, off uint32, flags uint64) (errno, error) {
	switch {
	case d.data() == 0 || flags != 0:
		return eINVAL, nil
	case !d.has(off, uint32(len(dst))):
		return e2BIG, nil
	}
	b, e, err := d.bytes(c, off, uint32(len(dst)), false)
	copy(dst, b)
	return e, err
}

// skbStoreFlags are those of bpf_skb_store_bytes.
const skbStoreFlags = 3

// store copies src to off.
func (d dynptr) store(c *Call, off uint32, src []byte, flags uint64) (errno, error) {
	switch {
	case d.data() == 0 || d.readOnly():
		return eINVAL, nil
	case !d.has(off, uint32(len(src))):
		return e2BIG, nil
	case d.kind() == dynptrSKB && flags&^skbStoreFlags != 0, d.kind() != dynptrSKB && flags != 0:
		return eINVAL, nil
	}
	b, e, err := d.bytes(c, off, uint32(len(src)), true)
	copy(b, src)
	return e, err
}

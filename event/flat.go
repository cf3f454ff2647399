// Implements copies of Go structs as records that are bytes, for engines that cannot read the host's memory.

package event

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"
	"unsafe"
)

// flat is how records of a schema of Go structs become bytes: flags of what is there, the fixed parts of the fields
// that are used, then the texts.
type flat struct {
	schema *Schema
	moves  []move
}

// move is a field to copy.
type move struct {
	from *Field
	to   *Field
}

// newFlat returns the copy with the fields that expressions use, or nil if records are bytes anyway. Fields have the
// same numbers there.
func newFlat(s *Schema, roots ...*node) *flat {
	if !s.host {
		return nil
	}
	used := map[int]bool{}
	for _, root := range roots {
		root.visit(func(n *node) {
			if n.op == opField || n.op == opHas {
				used[n.field] = true
			}
		})
	}
	out := &Schema{Name: s.Name, Fields: make([]Field, len(s.Fields))}
	fl := &flat{schema: out}
	out.Size = (len(used) + 7) / 8
	flag := 0
	for i := range s.Fields {
		from, to := &s.Fields[i], &out.Fields[i]
		*to = Field{Name: from.Name, Kind: from.Kind, Size: from.Size, Form: from.Form}
		switch {
		case from.Kind == IP && from.Form != InPlace:
			to.Form, to.Size = InPlace, 16
		case from.Form == goTime:
			to.Form = seconds
		case from.Form == goText:
			to.Form = Span
		}
		if !used[i] {
			continue
		}
		flag++
		to.Flag = flag
		to.Offset = out.Size
		out.Size += to.bytes()
		fl.moves = append(fl.moves, move{from, to})
	}
	return fl
}

// visit calls f for a node and all below it.
func (n *node) visit(f func(*node)) {
	f(n)
	for _, a := range n.args {
		a.visit(f)
	}
}

// record appends the copy of a struct to b, which is empty.
func (fl *flat) record(b []byte, at unsafe.Pointer) []byte {
	if cap(b) < fl.schema.Size {
		b = make([]byte, 0, 2*fl.schema.Size)
	}
	b = b[:fl.schema.Size]
	clear(b)
	for i := range fl.moves {
		b = fl.moves[i].copy(b, at)
	}
	return b
}

// copy copies a field, if it is there.
func (m *move) copy(b []byte, at unsafe.Pointer) []byte {
	for _, off := range m.from.via {
		if at = *(*unsafe.Pointer)(unsafe.Add(at, off)); at == nil {
			return b
		}
	}
	at = unsafe.Add(at, m.from.Offset)
	to := b[m.to.Offset:]
	switch {
	case m.from.Form == goAddr:
		a := *(*netip.Addr)(at)
		if !a.IsValid() {
			return b
		}
		a16 := a.As16()
		copy(to, a16[:])
	case m.from.Form == goTime:
		t := (*time.Time)(at)
		binary.LittleEndian.PutUint64(to, uint64(t.Unix()))
		binary.LittleEndian.PutUint64(to[8:], uint64(t.Nanosecond()))
	case m.from.Form == goText && m.from.Kind == IP:
		a, ok := netip.AddrFromSlice(*(*net.IP)(at))
		if !ok {
			return b
		}
		a16 := a.As16()
		copy(to, a16[:])
	case m.from.Form == goText:
		s := *(*string)(at) // the header of a []byte starts the same
		if uint64(len(b)+len(s)) > 1<<32-1 {
			return b
		}
		binary.LittleEndian.PutUint32(to, uint32(len(b)))
		binary.LittleEndian.PutUint32(to[4:], uint32(len(s)))
		b = append(b, s...)
	case m.from.Kind.number() || m.from.Kind == Bool:
		putNumber(to, at, m.from.Size)
	default:
		copy(to, unsafe.Slice((*byte)(at), m.from.Size))
	}
	b[(m.to.Flag-1)/8] |= 1 << ((m.to.Flag - 1) % 8)
	return b
}

// putNumber copies a number of the host, whatever its order of bytes, as one with its lowest byte first.
func putNumber(to []byte, at unsafe.Pointer, size int) {
	switch size {
	case 1:
		to[0] = *(*byte)(at)
	case 2:
		binary.LittleEndian.PutUint16(to, *(*uint16)(at))
	case 4:
		binary.LittleEndian.PutUint32(to, *(*uint32)(at))
	default:
		binary.LittleEndian.PutUint64(to, *(*uint64)(at))
	}
}

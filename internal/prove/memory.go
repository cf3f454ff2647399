// Implements the description of memory, and the places that code has addresses of.

package prove

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/isa"
)

// Memory describes memory that is there for the time of a call. Unless it is writable nobody changes it meanwhile.
type Memory struct {
	Name     string // for errors
	Size     int    // bytes, unless Length says otherwise
	Length   bool   // the argument behind the address is how many bytes there are (of the main argument alone)
	Writable bool
	Data     []byte // what is in it, if that is known
	Pointers []Pointer
}

// Pointer is an address in memory.
type Pointer struct {
	Offset   int     // bytes from the start
	To       *Memory // what is there, unless the address is 0
	LengthAt int     // offset of how many bytes are there, 64 bits; -1: as many as To says
}

// object is a piece of memory that is described.
type object struct {
	*Memory
	len expr
}

// lowest is how far behind 0 no memory begins.
const lowest = 4096

// value is what a register holds.
type value struct {
	kind kind
	obj  int // of pointers
	e    expr
}

type kind uint8

const (
	nothing kind = iota // nobody knows; it must not be read
	scalar              // a number
	pointer             // an address: of an object, plus an offset
	maybe               // that, or 0
)

func (k kind) addr() bool { return k == pointer || k == maybe }

// slot names a number in memory that does not change.
type slot struct {
	obj    int
	off    int64
	size   uint8
	signed bool
}

// loadFrom returns the address that lies in an object, if one does there.
func (p *prover) loadFrom(obj int, off expr, size uint8) (value, bool) {
	if !off.constant() || size != 64 {
		return value{}, false
	}
	for _, ptr := range p.objects[obj].Pointers {
		if int64(ptr.Offset) != off.c {
			continue
		}
		key := slot{obj: obj, off: off.c, size: size}
		n, ok := p.places[key]
		if !ok {
			o := object{Memory: ptr.To, len: number(int64(ptr.To.Size))}
			if ptr.LengthAt >= 0 {
				o.len = unknown(p.memory(slot{obj, int64(ptr.LengthAt), 64, false}, inf))
			}
			n = len(p.objects)
			p.objects = append(p.objects, o)
			p.places[key] = n
		}
		k := maybe
		if ptr.LengthAt >= 0 {
			k = pointer // 0 if the length is
		}
		return value{k, n, number(0)}, true
	}
	return value{}, false
}

// maxLength is more than any memory has.
const maxLength = 1 << 48

// memory returns the unknown that is in a place.
func (p *prover) memory(at slot, hi int64) sym {
	s, ok := p.cells[at]
	if !ok {
		for _, ptr := range p.objects[at.obj].Pointers {
			if ptr.LengthAt >= 0 && int64(ptr.LengthAt) == at.off && at.size == 64 {
				hi = maxLength
			}
		}
		s = p.fresh(0, hi)
		p.cells[at] = s
	}
	return s
}

// contents returns the greatest number in memory of known contents, at offsets of a form, wherever in the memory: in a loop
// other places are next.
func (o *object) contents(off expr, size uint8) int64 {
	step := int64(0)
	for _, t := range off.t[:off.n] {
		step = gcd(step, t.k)
	}
	n := int64(size / 8)
	at := off.c
	if step == 0 {
		step = n
	}
	if at %= step; at < 0 {
		at += step
	}
	most := int64(0)
	for ; at >= 0 && at+n <= int64(len(o.Data)); at += step {
		var b [8]byte
		copy(b[:], o.Data[at:at+n])
		if v := binary.LittleEndian.Uint64(b[:]); v >= uint64(inf) {
			return inf
		} else {
			most = max(most, int64(v))
		}
	}
	return most
}

func gcd(a, b int64) int64 {
	if b < 0 {
		b = -b
	}
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// access reports why an access of some bits is not safe, or nil.
func (p *prover) access(s *state, r isa.Register, off int32, bits uint8, write bool) error {
	v := s.regs[r]
	switch v.kind {
	case maybe:
		return fmt.Errorf("the address in R%d may be 0", r)
	case pointer:
	default:
		return fmt.Errorf("what is in R%d is not known to be an address", r)
	}
	o := &p.objects[v.obj]
	if write && !o.Writable {
		return fmt.Errorf("a store to %s, which is not to be written", o.Name)
	}
	at := v.e
	at.c += int64(off)
	f := &s.facts
	if !f.le(number(0), at, 0) {
		return fmt.Errorf("%d bytes at R%d%+d may be ahead of %s", bits/8, r, off, o.Name)
	}
	if !f.le(at, o.len, int64(bits/8)) {
		return fmt.Errorf("%d bytes at R%d%+d may be behind the end of %s", bits/8, r, off, o.Name)
	}
	return nil
}

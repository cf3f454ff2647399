// Implements the printing of values: one walk over the type for JSON and for C.

package btfprint

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	"github.com/cilium/ebpf/btf"
)

// style is how a form writes what it is made of.
type style struct {
	json      bool
	open, end string // around the elements of an array
	name, is  string // around the name of a member
	comma     string
}

var (
	jsonStyle = &style{json: true, open: "[", end: "]", name: `"`, is: `":`, comma: ","}
	cStyle    = &style{open: "{", end: "}", name: ".", is: " = ", comma: ", "}
)

// Limits, as types may hold each other many times over without having a size.
const (
	maxDepth = 32      // of types in types
	maxSteps = 1 << 20 // values printed, with those they consist of
)

// AppendJSON appends a value as JSON. Structures are objects, in which members of members without a name stand
// like their own; numbers are numbers; enumerations are their names; characters up to a zero are a string;
// pointers are strings such as "0xffff". Bytes of an unknown type (nil), or too few for it, are a string of hex
// digits.
func AppendJSON(dst []byte, t btf.Type, value []byte) []byte {
	return appendValue(dst, jsonStyle, t, value)
}

// AppendC appends a value as C would initialise it: {.packets = 1, .name = "eth0"}. Bytes of an unknown type
// are hex digits in pairs.
func AppendC(dst []byte, t btf.Type, value []byte) []byte { return appendValue(dst, cStyle, t, value) }

func appendValue(dst []byte, s *style, t btf.Type, value []byte) []byte {
	p := printer{style: s, out: dst, steps: maxSteps}
	if size, err := sizeof(t); err != nil || size > len(value) {
		p.hex(value)
		return p.out
	}
	p.value(t, value, 0)
	return p.out
}

// sizeof is btf.Sizeof for types that may be nil.
func sizeof(t btf.Type) (int, error) {
	switch t := t.(type) {
	case nil:
		return 0, errNoType
	case *btf.Var:
		return sizeof(t.Type)
	case *btf.Datasec:
		return int(t.Size), nil
	}
	return btf.Sizeof(t)
}

var errNoType = fmt.Errorf("the type is not known")

// printer appends values.
type printer struct {
	*style
	out   []byte
	steps int // that may still be made
}

func (p *printer) text(s string) { p.out = append(p.out, s...) }

func (p *printer) hex(b []byte) {
	if p.json {
		p.text(`"` + hex.EncodeToString(b) + `"`)
		return
	}
	p.out = fmt.Appendf(p.out, "% x", b)
}

// value prints what b, which is long enough, begins with.
func (p *printer) value(t btf.Type, b []byte, depth int) {
	size, err := sizeof(t)
	if p.steps--; err != nil || size > len(b) || depth > maxDepth || p.steps < 0 {
		p.hex(b[:min(max(size, 0), len(b))])
		return
	}
	b = b[:size]
	if v, ok := t.(*btf.Var); ok {
		t = v.Type
	}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		p.number(b, t)
	case *btf.Enum:
		p.enum(number(b, false), t)
	case *btf.Pointer:
		text := "0x" + strconv.FormatUint(number(b, false), 16)
		if p.json {
			text = `"` + text + `"`
		}
		p.text(text)
	case *btf.Float:
		p.float(b)
	case *btf.Array:
		p.array(t, b, depth)
	case *btf.Struct:
		p.members(t.Members, b, depth)
	case *btf.Union:
		p.members(t.Members, b, depth)
	case *btf.Datasec:
		p.datasec(t, b, depth)
	default:
		p.hex(b)
	}
}

// number returns a little-endian number of up to eight bytes.
func number(b []byte, signed bool) uint64 {
	var word [8]byte
	copy(word[:], b)
	n := binary.LittleEndian.Uint64(word[:])
	if signed && len(b) < 8 && len(b) > 0 {
		shift := 64 - 8*uint(len(b))
		n = uint64(int64(n<<shift) >> shift)
	}
	return n
}

func (p *printer) number(b []byte, t *btf.Int) {
	switch {
	case len(b) > 8 || len(b) == 0:
		p.hex(b)
	case t.Encoding == btf.Bool && len(b) == 1 && b[0] <= 1:
		p.out = strconv.AppendBool(p.out, b[0] == 1)
	case t.Encoding&btf.Signed != 0 || t.Encoding == btf.Char:
		p.out = strconv.AppendInt(p.out, int64(number(b, true)), 10)
	default:
		p.out = strconv.AppendUint(p.out, number(b, false), 10)
	}
}

func (p *printer) enum(n uint64, t *btf.Enum) {
	mask := uint64(math.MaxUint64)
	if t.Size < 8 {
		mask = 1<<(8*t.Size) - 1
	}
	for _, v := range t.Values {
		if v.Value&mask == n&mask {
			if p.json {
				p.out = appendString(p.out, v.Name)
			} else {
				p.text(v.Name)
			}
			return
		}
	}
	if t.Signed && t.Size < 8 {
		shift := 64 - 8*t.Size
		p.out = strconv.AppendInt(p.out, int64(n<<shift)>>shift, 10)
		return
	}
	p.out = strconv.AppendUint(p.out, n, 10)
}

func (p *printer) float(b []byte) {
	var v float64
	switch len(b) {
	case 4:
		v = float64(math.Float32frombits(uint32(number(b, false))))
	case 8:
		v = math.Float64frombits(number(b, false))
	}
	if len(b) != 4 && len(b) != 8 || math.IsNaN(v) || math.IsInf(v, 0) {
		p.hex(b)
		return
	}
	p.out = strconv.AppendFloat(p.out, v, 'g', -1, 8*len(b))
}

// array prints an array. Characters that end with a zero, behind which there are only zeros, are a string.
func (p *printer) array(t *btf.Array, b []byte, depth int) {
	if isChar(t.Type) {
		if text, ok := cString(b); ok {
			p.out = appendString(p.out, text)
			return
		}
	}
	size, err := sizeof(t.Type)
	p.text(p.open)
	for i := 0; err == nil && i < int(t.Nelems) && size > 0; i++ {
		if i > 0 {
			p.text(p.comma)
		}
		p.value(t.Type, b[i*size:], depth+1)
	}
	p.text(p.end)
}

// isChar reports whether a type is a character: one byte that is encoded so, or named char.
func isChar(t btf.Type) bool {
	i, ok := btf.UnderlyingType(t).(*btf.Int)
	return ok && i.Size == 1 && (i.Encoding == btf.Char || i.Name == "char")
}

// members prints a structure or a union, with the members of members without a name as if they stood here.
func (p *printer) members(list []btf.Member, b []byte, depth int) {
	p.text("{")
	first := true
	for _, m := range flat(list) {
		at := int(m.Offset.Bytes())
		if at > len(b) || p.steps < 0 {
			continue
		}
		if !first {
			p.text(p.comma)
		}
		first = false
		p.text(p.name + m.Name + p.is)
		if m.BitfieldSize > 0 {
			p.bitfield(m, b)
			continue
		}
		p.value(m.Type, b[at:], depth+1)
	}
	p.text("}")
}

// flat returns the members that have names, with those of members that have none, at their place in the whole.
func flat(list []btf.Member) []btf.Member {
	var out []btf.Member
	steps := 1 << 16
	var add func(list []btf.Member, base btf.Bits, depth int)
	add = func(list []btf.Member, base btf.Bits, depth int) {
		for _, m := range list {
			if steps--; steps < 0 {
				return
			}
			m.Offset += base
			if m.Name != "" {
				out = append(out, m)
			} else if depth < maxDepth {
				add(membersOf(m.Type), m.Offset, depth+1)
			}
		}
	}
	add(list, 0, 0)
	return out
}

func membersOf(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

func (p *printer) bitfield(m btf.Member, b []byte) {
	n := bits(b, uint(m.Offset), uint(m.BitfieldSize))
	switch t := btf.UnderlyingType(m.Type).(type) {
	case *btf.Enum:
		p.enum(n, t)
		return
	case *btf.Int:
		if t.Encoding == btf.Bool && m.BitfieldSize == 1 {
			p.out = strconv.AppendBool(p.out, n == 1)
			return
		}
		if t.Encoding&btf.Signed != 0 && m.BitfieldSize < 64 {
			shift := 64 - uint(m.BitfieldSize)
			p.out = strconv.AppendInt(p.out, int64(n<<shift)>>shift, 10)
			return
		}
	}
	p.out = strconv.AppendUint(p.out, n, 10)
}

// bits returns size bits from bit at on; those behind the end are zero.
func bits(b []byte, at, size uint) (n uint64) {
	for i := uint(0); i < size && i < 64; i++ {
		if place := (at + i) / 8; int(place) < len(b) {
			n |= uint64(b[place]>>((at+i)%8)&1) << i
		}
	}
	return n
}

func (p *printer) datasec(t *btf.Datasec, b []byte, depth int) {
	p.text("{")
	first := true
	for _, v := range t.Vars {
		size, err := sizeof(v.Type)
		if _, ok := v.Type.(*btf.Var); !ok || err != nil || int(v.Offset)+size > len(b) {
			continue
		}
		if !first {
			p.text(p.comma)
		}
		first = false
		p.text(p.name + v.Type.TypeName() + p.is)
		p.value(v.Type, b[v.Offset:], depth+1)
	}
	p.text("}")
}

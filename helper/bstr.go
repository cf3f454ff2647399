// Implements the second half of printing: laid out arguments become text, as the kernel's bstr_printf does it.

package helper

import (
	"encoding/binary"
	"strconv"
)

// maxWidth is the greatest field width (the kernel's FIELD_WIDTH_MAX).
const maxWidth = 1<<23 - 1

// field is how a conversion is laid out.
type field struct {
	left, plus, space, zero bool
	width                   int // -1: none is given
}

// bstr prints. Output beyond its room is counted only.
type bstr struct {
	c      *Call
	out    []byte
	count  int // bytes printed, with those that had no room
	packed []byte
	at     int // in packed
}

func (b *bstr) room() int { return cap(b.out) - len(b.out) }

func (b *bstr) put(s string) {
	b.out = append(b.out, s[:min(len(s), b.room())]...)
	b.count += len(s)
}

func (b *bstr) fill(c byte, n int) {
	for i := 0; i < n && b.room() > 0; i++ {
		b.out = append(b.out, c)
	}
	b.count += max(n, 0)
}

// print prints a format that pack has accepted.
func (b *bstr) print(format []byte) {
	for i := 0; i < len(format) && format[i] != 0; {
		if format[i] != '%' {
			start := i
			for i < len(format) && format[i] != '%' && format[i] != 0 {
				i++
			}
			b.put(string(format[start:i]))
			continue
		}
		i = b.conversion(format, i+1)
	}
}

// conversion prints the conversion behind the % and returns where the next text begins.
func (b *bstr) conversion(f []byte, i int) int {
	at := func(n int) byte {
		if n < len(f) {
			return f[n]
		}
		return 0
	}
	spec := field{width: -1}
	for ; ; i++ {
		switch at(i) {
		case '-':
			spec.left = true
			continue
		case '+':
			spec.plus = true
			continue
		case ' ':
			spec.space = true
			continue
		case '0':
			spec.zero = true
			continue
		}
		break
	}
	if isDigit(at(i)) {
		for spec.width = 0; isDigit(at(i)); i++ {
			spec.width = min(spec.width*10+int(at(i)-'0'), maxWidth)
		}
	}
	size := 4
	for at(i) == 'l' {
		size = 8
		i++
	}
	switch c := at(i); c {
	case '%':
		b.put("%")
	case 'c':
		b.text(spec, string([]byte{b.byte()}))
	case 's':
		b.text(spec, b.string())
	case 'p':
		b.pointer(spec, at(i+1))
		for i++; isDigit(at(i)) || isAlpha(at(i)); i++ { // all of them, whatever they mean
		}
		return i
	default:
		b.number(spec, c, size)
	}
	return i + 1
}

// number prints an integer.
func (b *bstr) number(spec field, verb byte, size int) {
	v := b.integer(size)
	sign := ""
	if verb == 'd' || verb == 'i' {
		s := int64(v)
		if size == 4 {
			s = int64(int32(v))
		}
		switch {
		case s < 0:
			sign, v = "-", uint64(-s)
		case spec.plus:
			sign, v = "+", uint64(s)
		case spec.space:
			sign, v = " ", uint64(s)
		}
	}
	digits := strconv.FormatUint(v, 10)
	switch verb {
	case 'x':
		digits = strconv.FormatUint(v, 16)
	case 'X':
		digits = capitals(strconv.FormatUint(v, 16))
	}
	b.pad(spec, sign, digits)
}

func capitals(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 0x20
		}
	}
	return string(b)
}

// pad prints a number in its field.
func (b *bstr) pad(spec field, sign, digits string) {
	n := spec.width - len(sign) - len(digits)
	switch {
	case spec.left:
		b.put(sign + digits)
		b.fill(' ', n)
	case spec.zero:
		b.put(sign)
		b.fill('0', n)
		b.put(digits)
	default:
		b.fill(' ', n)
		b.put(sign + digits)
	}
}

// text prints a string in its field.
func (b *bstr) text(spec field, s string) {
	if !spec.left {
		b.fill(' ', spec.width-len(s))
	}
	b.put(s)
	if spec.left {
		b.fill(' ', spec.width-len(s))
	}
}

// pointer prints %p. What pack has made text of stands there as text, without a field.
func (b *bstr) pointer(spec field, kind byte) {
	switch {
	case kind == 's' || kind == 'S':
		b.text(spec, b.c.symbol(b.integer(8), kind == 'S'))
	case kind == 'x' || kind == 'K' || !isDigit(kind) && !isAlpha(kind):
		// The kernel hashes %p and %pK, so that nobody learns its addresses. Here there is nothing to hide.
		if spec.width < 0 {
			spec.width, spec.zero = 16, true
		}
		b.pad(spec, "", strconv.FormatUint(b.integer(8), 16))
	case b.room() > 0:
		b.put(b.string())
	}
}

func (b *bstr) byte() byte {
	if b.at >= len(b.packed) {
		return 0
	}
	b.at++
	return b.packed[b.at-1]
}

func (b *bstr) string() string {
	start := b.at
	for b.at < len(b.packed) && b.packed[b.at] != 0 {
		b.at++
	}
	s := string(b.packed[min(start, len(b.packed)):b.at])
	b.at++
	return s
}

func (b *bstr) integer(size int) uint64 {
	b.at = (b.at + 3) &^ 3
	var v [8]byte
	if b.at < len(b.packed) {
		copy(v[:size], b.packed[b.at:])
	}
	b.at += size
	return binary.LittleEndian.Uint64(v[:])
}

// formatIP writes an address: with a 4 byte one, %pi4 has all digits of each part, as %pi6 is without colons.
func formatIP(ip []byte, plain bool) string {
	if len(ip) == 4 {
		s := ""
		for i, part := range ip {
			if i > 0 {
				s += "."
			}
			digits := strconv.Itoa(int(part))
			for plain && len(digits) < 3 {
				digits = "0" + digits
			}
			s += digits
		}
		return s
	}
	s := ""
	for i := 0; i < 16; i += 2 {
		if i > 0 && !plain {
			s += ":"
		}
		s += hexByte(ip[i]) + hexByte(ip[i+1])
	}
	return s
}

const hexDigits = "0123456789abcdef"

func hexByte(b byte) string { return string([]byte{hexDigits[b>>4], hexDigits[b&15]}) }

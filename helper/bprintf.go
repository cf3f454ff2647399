// Implements the first half of printing: format strings are checked, and arguments are laid out as the kernel does.

package helper

import "encoding/binary"

const (
	printArgs   = 12   // arguments that a format may have (MAX_BPRINTF_VARARGS)
	packedBytes = 512  // room for laid out arguments (MAX_BPRINTF_BIN_ARGS)
	printBytes  = 1024 // room for a trace message (MAX_BPRINTF_BUF)
)

// CheckFormat reports whether a format string can be printed with a number of arguments, as the kernel's verifier
// finds out for constant formats. The string ends at its first zero byte, which must be there.
func CheckFormat(format []byte, args int) bool {
	p := packer{format: format, count: args}
	return p.pack() == 0
}

// packer goes through a format and lays out the arguments one behind the other, for bstr to print. The two
// halves are apart because the kernel's are: what it does with odd formats follows from that.
type packer struct {
	c      *Call // nil: the format is only checked
	format []byte
	args   []uint64
	count  int // of args

	at     int // in format
	used   int // arguments
	packed []byte
}

// peek returns a byte of the format after the current one; the format ends with zeros.
func (p *packer) peek(n int) byte {
	if p.at+n < len(p.format) {
		return p.format[p.at+n]
	}
	return 0
}

// pack does the work.
func (p *packer) pack() errno {
	end := -1
	for i, b := range p.format {
		if b == 0 {
			end = i
			break
		}
	}
	if end < 0 {
		return eINVAL
	}
	p.format = p.format[:end]
	for p.at = 0; p.at < end; p.at++ {
		ch := p.format[p.at]
		switch {
		case ch < ' ' && !isSpace(ch) || ch == 0x7f:
			return eINVAL
		case ch != '%':
			continue
		case p.peek(1) == '%':
			p.at++
			continue
		case p.used >= p.count:
			return eINVAL
		}
		if e := p.conversion(); e != 0 {
			return e
		}
		p.used++
	}
	return 0
}

// conversion goes through one conversion, up to its last byte.
func (p *packer) conversion() errno {
	p.at++
	for c := p.peek(0); c == '0' || c == '+' || c == '-' || c == ' '; c = p.peek(0) {
		p.at++
	}
	for c := p.peek(0); isDigit(c); c = p.peek(0) {
		p.at++
	}
	switch p.peek(0) {
	case 'p':
		return p.pointer()
	case 's':
		return p.text()
	case 'c':
		if p.c == nil {
			return 0
		}
		if len(p.packed) == packedBytes {
			return eNOSPC
		}
		p.packed = append(p.packed, byte(p.args[p.used]))
		return 0
	}
	size := 4
	for n := 0; n < 2 && p.peek(0) == 'l'; n++ {
		size = 8
		p.at++
	}
	switch p.peek(0) {
	case 'i', 'd', 'u', 'x', 'X':
		return p.number(size)
	}
	return eINVAL
}

// number lays out an argument as a number of size bytes.
func (p *packer) number(size int) errno {
	if p.c == nil {
		return 0
	}
	for len(p.packed)%4 != 0 {
		p.packed = append(p.packed, 0)
	}
	if packedBytes-len(p.packed) < size {
		return eNOSPC
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], p.args[p.used])
	p.packed = append(p.packed, b[:size]...)
	return 0
}

// pointer goes through %p with what follows it.
func (p *packer) pointer() errno {
	next := p.peek(1)
	switch {
	case next == 0 || isSpace(next) || isPunct(next):
		return p.number(8)
	case (next == 'k' || next == 'u') && p.peek(2) == 's':
		p.at += 2
		return p.text()
	case next == 'K' || next == 'x' || next == 's' || next == 'S':
		p.at++
		return p.number(8)
	case next == 'B':
		p.at++
		if p.c == nil {
			return 0
		}
		return p.ready(p.c.symbol(p.args[p.used], true))
	case (next == 'i' || next == 'I') && (p.peek(2) == '4' || p.peek(2) == '6'):
		p.at += 2
		if p.c == nil {
			return 0
		}
		size := 4
		if p.peek(0) == '6' {
			size = 16
		}
		if packedBytes-len(p.packed) < size {
			return eNOSPC
		}
		ip := make([]byte, size)
		if !p.c.readKernel(ip, p.args[p.used]) {
			clear(ip)
		}
		return p.ready(formatIP(ip, next == 'i'))
	}
	return eINVAL
}

// ready lays out text that is printed as it is.
func (p *packer) ready(s string) errno {
	n := min(len(s), max(packedBytes-len(p.packed)-1, 0))
	p.packed = append(append(p.packed, s[:n]...), 0)
	return 0
}

// text goes through a string: %s, %pks and %pus.
func (p *packer) text() errno {
	kind := p.peek(0)
	if next := p.peek(1); next != 0 && !isSpace(next) && !isPunct(next) {
		return eINVAL
	}
	if p.c == nil {
		return 0
	}
	if len(p.packed) >= packedBytes {
		return eNOSPC
	}
	user := kind == 's' && p.at > 0 && p.format[p.at-1] == 'u'
	b := make([]byte, packedBytes-len(p.packed))
	n := p.c.readText(b, p.args[p.used], user)
	if n < 0 && kind == 's' && p.format[p.at-1] != 'k' && !user {
		n = p.c.readText(b, p.args[p.used], true) // %s means either memory, by the address
	}
	if n < 0 {
		b[0], n = 0, 1
	}
	p.packed = append(p.packed, b[:n]...)
	return 0
}

// Characters are classed as in Latin-1, like the kernel's.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' || c == 0xa0 }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0xc0 && c != 0xd7 && c != 0xf7
}
func isPunct(c byte) bool {
	return c > ' ' && c != 0x7f && (c < 0x7f || c > 0xa0) && !isDigit(c) && !isAlpha(c)
}

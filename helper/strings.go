// Implements the helpers for text: numbers in text, and comparison.

package helper

import (
	"encoding/binary"
	"math/bits"
)

var texts = []Helper{
	{ID: 105, Name: "strtol", Args: []Arg{Mem, Size, Any, Fixed(MemOut, 8) | Aligned}, Func: func(c *Call, buf, size, flags, res, _ uint64) (uint64, error) {
		return parse(c, buf, size, flags, res, func(v uint64, negative bool) (uint64, errno) {
			switch {
			case negative && int64(-v) > 0, !negative && int64(v) < 0:
				return 0, eRANGE
			case negative:
				return -v, 0
			}
			return v, 0
		})
	}},
	{ID: 106, Name: "strtoul", Args: []Arg{Mem, Size, Any, Fixed(MemOut, 8) | Aligned}, Func: func(c *Call, buf, size, flags, res, _ uint64) (uint64, error) {
		return parse(c, buf, size, flags, res, func(v uint64, negative bool) (uint64, errno) {
			if negative {
				return 0, eINVAL
			}
			return v, 0
		})
	}},
	{ID: 182, Name: "strncmp", Args: []Arg{Mem, Size, ConstString}, Func: strncmp},
}

// parse reads a number from text and stores it, or 0 if there is none.
func parse(c *Call, buf, size, flags, res uint64, check func(uint64, bool) (uint64, errno)) (uint64, error) {
	text, err := c.Bytes(buf, int(size&(1<<31-1)), false)
	if err != nil {
		return 0, err
	}
	out, err := c.Bytes(res, 8, true)
	if err != nil {
		return 0, err
	}
	clear(out)
	v, negative, used, e := parseNumber(text, flags)
	if e == 0 {
		v, e = check(v, negative)
	}
	if e != 0 {
		return e.result()
	}
	binary.LittleEndian.PutUint64(out, v)
	return uint64(used), nil
}

// numberLimit is how many bytes of a number count.
const numberLimit = 63

// parseNumber reads space, a sign and digits. flags is the base or 0, which goes by the number's start.
func parseNumber(text []byte, flags uint64) (v uint64, negative bool, used int, e errno) {
	base := flags & 0x1f
	if len(text) == 0 || base != 0 && base != 8 && base != 10 && base != 16 || flags&^0x1f != 0 {
		return 0, false, 0, eINVAL
	}
	at := 0
	for at < len(text) && isSpace(text[at]) {
		at++
	}
	if at < len(text) && text[at] == '-' {
		negative = true
		at++
	}
	digits := text[at:]
	if len(digits) == 0 {
		return 0, false, 0, eINVAL
	}
	digits = digits[:min(len(digits), numberLimit)]
	base, skip := radix(digits, base)
	at += skip
	digits = digits[skip:]
	n, overflow := 0, false
	for ; n < len(digits); n++ {
		d := digit(digits[n])
		if d >= base {
			break
		}
		hi, lo := bits.Mul64(v, base)
		sum, carry := bits.Add64(lo, d, 0)
		overflow = overflow || hi != 0 || carry != 0
		v = sum
	}
	switch {
	case overflow:
		return 0, negative, 0, eRANGE
	case n == 0:
		return 0, negative, 0, eINVAL
	}
	return v, negative, at + n, 0
}

// radix returns the base of a number and how many bytes say so.
func radix(s []byte, base uint64) (uint64, int) {
	hex := len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x'
	if base == 0 {
		switch {
		case len(s) == 0 || s[0] != '0':
			base = 10
		case hex && len(s) > 2 && digit(s[2]) < 16:
			base = 16
		default:
			base = 8
		}
	}
	if base == 16 && hex {
		return base, 2
	}
	return base, 0
}

// digit returns the value of a digit, a large number for what is none.
func digit(c byte) uint64 {
	switch {
	case isDigit(c):
		return uint64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return 99
}

func strncmp(c *Call, s1, size, s2, _, _ uint64) (uint64, error) {
	a, err := c.Bytes(s1, int(uint32(size)), false)
	if err != nil {
		return 0, err
	}
	for i, x := range a {
		b, err := c.Bytes(s2+uint64(i), 1, false)
		switch {
		case err != nil:
			return 0, err
		case x < b[0]:
			return ^uint64(0), nil
		case x > b[0]:
			return 1, nil
		case x == 0:
			return 0, nil
		}
	}
	return 0, nil
}

// Implements the splitting of an expression into words.

package pcap

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd      tokenKind = iota
	tokNumber             // n
	tokName               // a word that is no keyword, or any word behind a backslash
	tokIPv4               // two to four numbers with dots between them
	tokIPv6               // an IPv6 address
	tokMAC                // six bytes
	tokARCnet             // $ and one byte
	tokKeyword            // of keywords
	tokOperator           // text says which
)

// token is a word of an expression.
type token struct {
	kind tokenKind
	text string // as written; of a name without its backslash
	pos  int    // byte in the expression
	end  int    // the byte behind it
	n    uint32
	mac  [6]byte
	key  *keyword
}

// is reports whether the token is an operator.
func (t *token) is(operator string) bool { return t.kind == tokOperator && t.text == operator }

// operators, longest first.
var operators = []string{"<=", ">=", "!=", "==", "<<", ">>", "&&", "||",
	"!", "<", ">", "(", ")", "[", "]", "+", "-", "*", "/", "%", "&", "|", "^", "=", ":"}

const (
	digits    = "0123456789"
	hexDigits = digits + "abcdefABCDEF"
	letters   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// span is how many of the first bytes of s are in set.
func span(s, set string) int {
	for i := range len(s) {
		if strings.IndexByte(set, s[i]) < 0 {
			return i
		}
	}
	return len(s)
}

// split cuts an expression into tokens, the last of which is a tokEnd.
func split(expr string) ([]token, error) {
	var all []token
	for pos := 0; ; {
		pos += span(expr[pos:], " \t\r\n")
		if pos == len(expr) {
			return append(all, token{kind: tokEnd, pos: pos, end: pos}), nil
		}
		t, n, err := next(expr[pos:])
		if err != nil {
			return nil, &Error{Column: pos + 1, Text: err.Error()}
		}
		t.pos, t.end = pos, pos+n
		all = append(all, t)
		pos += n
	}
}

// next reads the token at the start of s and says how long it is. Of the readings that are possible, the
// longest counts.
func next(s string) (token, int, error) {
	if s[0] == '\\' {
		n := 1
		for n < len(s) && strings.IndexByte(" !()\n\t", s[n]) < 0 {
			n++
		}
		if n == 1 {
			return token{}, 0, errorf("a name must follow the backslash")
		}
		return token{kind: tokName, text: s[1:n]}, n, nil
	}
	if s[0] == '$' {
		if n := min(span(s[1:], hexDigits), 2); n > 0 {
			b, _ := strconv.ParseUint(s[1:1+n], 16, 8)
			return token{kind: tokARCnet, text: s[:1+n], n: uint32(b)}, 1 + n, nil
		}
		return token{}, 0, errorf("an ARCnet address is $ and one or two hexadecimal digits")
	}
	t, n, err := nextAddress(s)
	if err != nil {
		return token{}, 0, err
	}
	if m := wordLength(s); m > 0 && m >= n && !(m == n && t.kind != tokNumber) {
		if key := lookupKeyword(s[:m]); key != nil {
			return token{kind: tokKeyword, text: s[:m], key: key}, m, nil
		}
		if m > n {
			t, n = token{kind: tokName, text: s[:m]}, m
		}
	}
	if n == 0 {
		for _, op := range operators {
			if strings.HasPrefix(s, op) {
				switch op {
				case "!", "&&", "||":
					return token{kind: tokKeyword, text: op, key: lookupKeyword(op)}, len(op), nil
				}
				return token{kind: tokOperator, text: op}, len(op), nil
			}
		}
		if s[0] == ',' {
			return token{}, 0, errorf(`a comma joins nothing: expected "or", as in port 80 or 443`)
		}
		r, _ := utf8.DecodeRuneInString(s)
		return token{}, 0, errorf("no word can start with %q", r)
	}
	if t.kind == tokNumber {
		v, err := number(t.text)
		if err != nil {
			return token{}, 0, err
		}
		t.n = v
	}
	return t, n, nil
}

// wordLength is the length of the name or keyword at the start of s: letters, digits, and between them also
// dots, hyphens and underlines.
func wordLength(s string) int {
	if span(s[:1], letters+digits) == 0 {
		return 0
	}
	n := span(s, letters+digits+"-_.")
	for n > 1 && (s[n-1] == '-' || s[n-1] == '_') {
		n--
	}
	return n
}

// nextAddress reads the number or address at the start of s; its length is 0 if there is none.
func nextAddress(s string) (token, int, error) {
	var best token
	length := 0
	offer := func(t token, n int) {
		if n > length {
			t.text = s[:n]
			best, length = t, n
		}
	}
	if mac, n := macAddress(s); n > 0 {
		offer(token{kind: tokMAC, mac: mac}, n)
	}
	if n := ipv6Length(s); n > 0 {
		offer(token{kind: tokIPv6}, n)
	}
	one := numberLength(s)
	offer(token{kind: tokNumber}, one)
	for parts, n := 1, one; n > 0 && parts < 4 && n < len(s) && s[n] == '.'; parts++ {
		m := numberLength(s[n+1:])
		if m == 0 {
			break
		}
		n += 1 + m
		offer(token{kind: tokIPv4}, n)
	}
	// Numbers with colons that are no address, such as 1:2: or 1::2::3, are an address with a mistake.
	if n := span(s, hexDigits+":"); strings.Count(s[:n], ":") >= 2 && (length == 0 || n > length) && best.kind != tokMAC {
		if text := strings.TrimLeft(s[:n], ":"); len(text) > 0 && s[0] != ':' && span(s, hexDigits) <= 2 {
			return token{}, 0, errorf("%q is neither an Ethernet nor an IPv6 address", s[:n])
		}
	}
	return best, length, nil
}

func numberLength(s string) int {
	if len(s) > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') {
		if n := span(s[2:], hexDigits); n > 0 {
			return 2 + n
		}
	}
	return span(s, digits)
}

// number reads a number as C does: 0x begins a hexadecimal one, 0 an octal one.
func number(s string) (uint32, error) {
	base, body := 10, s
	switch {
	case len(s) > 2 && (s[1] == 'x' || s[1] == 'X'):
		base, body = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base, body = 8, s[1:]
	}
	v, err := strconv.ParseUint(body, base, 32)
	switch {
	case err == nil:
		return uint32(v), nil
	case base == 8 && strings.ContainsAny(body, "89"):
		return 0, errorf("%s starts with 0, so it is octal and may have no digit above 7", s)
	}
	return 0, errorf("%s is too large a number: the greatest is %d", s, ^uint32(0))
}

// macAddress reads six bytes of one or two hexadecimal digits with the same sign of :-. between them, or three
// groups of four digits with dots, or twelve digits.
func macAddress(s string) (mac [6]byte, length int) {
	if n := span(s, hexDigits); n >= 12 {
		for i := range mac {
			b, _ := strconv.ParseUint(s[2*i:2*i+2], 16, 8)
			mac[i] = byte(b)
		}
		return mac, 12
	}
	if len(s) >= 14 && span(s, hexDigits) == 4 && s[4] == '.' && span(s[5:], hexDigits) == 4 && s[9] == '.' && span(s[10:], hexDigits) >= 4 {
		digits := s[:4] + s[5:9] + s[10:14]
		for i := range mac {
			b, _ := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
			mac[i] = byte(b)
		}
		return mac, 14
	}
	n := 0
	var sign byte
	for i := range mac {
		if i > 0 {
			if n >= len(s) || strings.IndexByte(":-.", s[n]) < 0 || sign != 0 && s[n] != sign {
				return mac, 0
			}
			sign = s[n]
			n++
		}
		m := span(s[n:], hexDigits)
		if m == 0 || m > 2 && i < 5 {
			return mac, 0
		}
		m = min(m, 2)
		b, _ := strconv.ParseUint(s[n:n+m], 16, 8)
		mac[i] = byte(b)
		n += m
	}
	return mac, n
}

// ipv6Length is the length of the IPv6 address at the start of s, 0 if there is none.
func ipv6Length(s string) int {
	n := min(span(s, hexDigits+":."), 45)
	if strings.Count(s[:n], ":") < 2 {
		return 0
	}
	for ; n >= 2; n-- {
		if _, err := netip.ParseAddr(s[:n]); err == nil && strings.Contains(s[:n], ":") {
			return n
		}
	}
	return 0
}

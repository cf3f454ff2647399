// Implements the splitting of one statement, or of one row's spelling, into tokens.

package asm

import (
	"math/bits"
	"strconv"
	"strings"
)

// tokenKind is the sort of a token.
type tokenKind uint8

const (
	tokEnd    tokenKind = iota // the end of the statement
	tokWord                    // a name, a keyword, or a register
	tokNumber                  // a number without its sign, or a character such as 'a'
	tokString                  // a name in quotes
	tokPunct                   // an operator or a bracket
)

// token is one token of a statement.
type token struct {
	kind  tokenKind
	big   bool   // a number above 64 bits
	text  string // as written; without its quotes for a name in quotes
	value uint64 // of a number
	col   int    // byte offset in the line
	end   int    // byte offset of what follows
}

// maxTokens is the most tokens one statement can have; the longest instruction has about 20.
const maxTokens = 64

// operators are the operators of two and three characters, longest first. All others have one.
var operators = [...]string{"<<=", ">>=", "==", "!=", "<=", ">=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>"}

// isLetter reports whether a name can start with c. Bytes above 0x7f are letters: symbols may be in any language.
func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c == '.' || c == '$' || c == '@' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }

// wordEnd returns the end of the name that starts at s[i], or i if none does. A register may start with %.
func wordEnd(s string, i int) int {
	n := i
	if n+1 < len(s) && s[n] == '%' && isLetter(s[n+1]) {
		n++
	}
	if n == len(s) || !isLetter(s[n]) {
		return i
	}
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
		n++
	}
	return n
}

// lex appends the tokens of s from byte start on to toks, without the end token. A failure has its place in
// the second result and its message in the third.
func lex(toks []token, s string, start int) ([]token, int, string) {
	for i := start; ; {
		for i < len(s) && isSpace(s[i]) {
			i++
		}
		if i == len(s) {
			return toks, 0, ""
		}
		if len(toks) == maxTokens {
			return toks, i, "the statement is too long: no instruction has that many parts"
		}
		t := token{col: i}
		msg := ""
		switch c := s[i]; {
		case wordEnd(s, i) > i:
			t.kind, t.end = tokWord, wordEnd(s, i)
			t.text = s[i:t.end]
		case isDigit(c):
			msg = t.number(s)
		case c == '"':
			msg = t.quoted(s)
		case c == '\'':
			msg = t.char(s)
		case c < ' ' || c == 0x7f:
			msg = "there is a control character here: " + strconv.QuoteRune(rune(c))
		default:
			t.kind, t.end = tokPunct, i+1
			for _, op := range operators {
				if strings.HasPrefix(s[i:], op) {
					t.end = i + len(op)
					break
				}
			}
			t.text = s[i:t.end]
		}
		if msg != "" {
			return toks, i, msg
		}
		toks = append(toks, t)
		i = t.end
	}
}

// number reads a decimal, hexadecimal (0x), octal (0o) or binary (0b) number. The letters "ll", which mark a
// 64-bit number, may follow it without a space.
func (t *token) number(s string) string {
	i, base := t.col, uint64(10)
	if s[i] == '0' && i+2 < len(s) {
		switch s[i+1] {
		case 'x', 'X':
			base = 16
		case 'o', 'O':
			base = 8
		case 'b', 'B':
			base = 2
		}
		if base != 10 && digit(s[i+2]) < base {
			i += 2
		} else {
			base = 10
		}
	}
	for i < len(s) && digit(s[i]) < base {
		hi, lo := bits.Mul64(t.value, base)
		sum, carry := bits.Add64(lo, digit(s[i]), 0)
		t.big = t.big || hi != 0 || carry != 0
		t.value = sum
		i++
	}
	t.kind, t.end, t.text = tokNumber, i, s[t.col:i]
	if rest := wordEnd(s, i); i < len(s) && (rest > i && s[i:rest] != "ll" && s[i] != '%' || isDigit(s[i])) {
		for rest < len(s) && (isLetter(s[rest]) || isDigit(s[rest])) {
			rest++
		}
		return "the number " + strconv.Quote(clip(s[t.col:rest])) + " is malformed"
	}
	return ""
}

// digit returns the value of a digit, or a large number for anything else.
func digit(c byte) uint64 {
	switch {
	case isDigit(c):
		return uint64(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return uint64(c|0x20-'a') + 10
	}
	return 99
}

// quoted reads a name in double quotes, with the escapes of Go.
func (t *token) quoted(s string) string {
	q, err := strconv.QuotedPrefix(s[t.col:])
	if err != nil {
		return "the name in quotes has no end, or an escape in it is malformed"
	}
	t.text, _ = strconv.Unquote(q)
	t.kind, t.end = tokString, t.col+len(q)
	return ""
}

// char reads a character in single quotes as a number.
func (t *token) char(s string) string {
	r, _, tail, err := strconv.UnquoteChar(s[t.col+1:], '\'')
	if err != nil || !strings.HasPrefix(tail, "'") {
		return "a character in quotes is written 'a'"
	}
	t.kind, t.end, t.value = tokNumber, len(s)-len(tail)+1, uint64(r)
	t.text = s[t.col:t.end]
	return ""
}

// name reports whether the token can be a name: a word, or a name in quotes.
func (t token) name() bool { return t.kind == tokWord || t.kind == tokString }

// is reports whether the token is this word or operator.
func (t token) is(text string) bool {
	return t.text == text && (t.kind == tokWord || t.kind == tokPunct)
}

// show returns the token for a message, in quotes.
func (t token) show() string { return strconv.Quote(clip(t.text)) }

// clip shortens a part of the text for a message.
func clip(s string) string {
	if len(s) > 40 {
		return s[:37] + "..."
	}
	return s
}

// signed returns the number with a sign, if it lies between lo and hi.
func (t token) signed(neg bool, lo int64, hi uint64) (int64, bool) {
	switch {
	case t.big:
		return 0, false
	case neg:
		return -int64(t.value), t.value <= -uint64(lo)
	}
	return int64(t.value), t.value <= hi
}

// quoteName returns a name as the assembler reads it back: as it stands, or in quotes if it could be taken
// for something else.
func quoteName(name string) string {
	quoted := strconv.Quote(name)
	if wordEnd(name, 0) == len(name) && quoted == `"`+name+`"` && name != "" && name[0] != '%' && !reserved[name] {
		if _, ok := registerNumber(name); !ok {
			return name
		}
	}
	return quoted
}

// reserved are the words that operands give a meaning.
var reserved = map[string]bool{"pc": true, "kfunc": true, "local": true, "helper": true, "module": true, "fd": true, "id": true}

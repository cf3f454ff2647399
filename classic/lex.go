// Implements the words of classic text, common to all its forms.

package classic

import (
	"fmt"
	"strconv"
	"strings"
)

// tokenKind is the sort of a token.
type tokenKind uint8

const (
	tokEnd     tokenKind = iota // end of the text
	tokNewline                  // end of a line
	tokNumber                   // without a sign
	tokWord                     // letters, digits, _ and ., not starting with a digit
	tokPunct                    // one character
	tokBad                      // something that is not a token
)

// token is one word of the text.
type token struct {
	kind   tokenKind
	text   string // as written
	bad    string // what is wrong with a tokBad
	number uint64
	line   int // from 1
	column int // in bytes, from 1
}

// is reports whether t is the punctuation or, whatever its case, the word s.
func (t token) is(s string) bool {
	return (t.kind == tokPunct || t.kind == tokWord) && strings.EqualFold(t.text, s)
}

// show returns the token for messages.
func (t token) show() string {
	switch t.kind {
	case tokEnd:
		return "end of text"
	case tokNewline:
		return "end of line"
	case tokBad:
		return t.bad
	}
	return strconv.Quote(t.text)
}

// lexer splits text into tokens. Comments run from ; to the end of the line or from /* to */; a line that
// starts with # is one as well.
type lexer struct {
	text      string
	pos       int
	line      int
	lineStart int
}

func (l *lexer) next() token {
	if bad, ok := l.skip(); ok {
		return bad
	}
	t := token{line: l.line + 1, column: l.pos - l.lineStart + 1}
	if l.pos == len(l.text) {
		return t
	}
	start := l.pos
	switch c := l.text[start]; {
	case c == '\n':
		l.pos++
		l.line++
		l.lineStart = l.pos
		t.kind = tokNewline
	case c >= '0' && c <= '9':
		l.pos += span(l.text[start:], isWord)
		t.text = l.text[start:l.pos]
		n, err := strconv.ParseUint(t.text, 0, 64)
		if err != nil || strings.Contains(t.text, "_") {
			t.kind, t.bad = tokBad, fmt.Sprintf("malformed number %q", t.text)
			return t
		}
		t.kind, t.number = tokNumber, n
	case isWord(c):
		l.pos += span(l.text[start:], isWord)
		t.kind, t.text = tokWord, l.text[start:l.pos]
	case c > ' ' && c < 0x7f:
		l.pos++
		t.kind, t.text = tokPunct, l.text[start:l.pos]
	default:
		l.pos++
		t.kind, t.bad = tokBad, fmt.Sprintf("byte %#02x", c)
	}
	return t
}

// skip passes over blanks and comments. It returns a bad token for a comment without an end.
func (l *lexer) skip() (token, bool) {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			l.pos++
		case rest[0] == ';' || rest[0] == '#' && l.pos == l.lineStart:
			l.pos += span(rest, func(c byte) bool { return c != '\n' })
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				bad := token{kind: tokBad, bad: "a comment without its */", line: l.line + 1, column: l.pos - l.lineStart + 1}
				l.pos = len(l.text)
				return bad, true
			}
			comment := rest[:n+4]
			l.pos += len(comment)
			if lines := strings.Count(comment, "\n"); lines > 0 {
				l.line += lines
				l.lineStart = l.pos - len(comment) + strings.LastIndexByte(comment, '\n') + 1
			}
		default:
			return token{}, false
		}
	}
	return token{}, false
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.'
}

// span returns how many bytes at the start of s satisfy f.
func span(s string, f func(byte) bool) int {
	for i := range len(s) {
		if !f(s[i]) {
			return i
		}
	}
	return len(s)
}

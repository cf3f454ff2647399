// Implements the splitting of a text into lines, without comments, and of a line into what stands before
// the instruction: numbers and bytes that printers add, labels, and headings.

package asm

import (
	"encoding/hex"
	"strings"

	"github.com/skepbpf/skep/isa"
)

// scanner cuts a text into lines.
type scanner struct {
	src    string
	pos    int
	line   int  // number of the line that next returned
	inside bool // inside a comment that goes over lines

	openLine, openCol int // where that comment starts
}

// next returns the next line with its comments gone. Comments between slashes and stars become spaces, so
// that columns stay. after is what stands behind a semicolon. more is false at the end of the text.
func (s *scanner) next() (text, after string, more bool) {
	if s.pos >= len(s.src) {
		return "", "", false
	}
	s.line++
	line := s.src[s.pos:]
	if n := strings.IndexByte(line, '\n'); n >= 0 {
		line = line[:n]
	}
	s.pos += len(line) + 1
	if !s.inside && !strings.ContainsAny(line, ";#/") {
		return line, "", true
	}
	var blank []byte // copy of line with spaces for comments
	for i := 0; i < len(line); i++ {
		if s.inside {
			end := strings.Index(line[i:], "*/")
			n := len(line)
			if end >= 0 {
				s.inside = false
				n = i + end + 2
			}
			if blank == nil {
				blank = []byte(line)
			}
			for ; i < n; i++ {
				blank[i] = ' '
			}
			i--
			continue
		}
		switch rest := line[i:]; {
		case rest[0] == ';', strings.HasPrefix(rest, "//"), rest[0] == '#' && !helperNumber(line, i):
			if rest[0] == ';' {
				after = rest[1:]
			}
			if blank != nil {
				return string(blank[:i]), after, true
			}
			return line[:i], after, true
		case strings.HasPrefix(rest, "/*"):
			s.inside, s.openLine, s.openCol = true, s.line, i
			i-- // look at it again, inside
		case rest[0] == '"' || rest[0] == '\'':
			i += quotedLen(rest) - 1
		}
	}
	if blank != nil {
		return string(blank), "", true
	}
	return line, "", true
}

// quotedLen returns the length of the quoted text that s starts with. Without an end it is all of s.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case s[0]:
			return i + 1
		case '\\':
			i++
		}
	}
	return len(s)
}

// helperNumber reports whether the # at line[i] joins a helper's name and number, as in call ktime_get_ns#5.
func helperNumber(line string, i int) bool {
	if i+1 >= len(line) || !isDigit(line[i+1]) {
		return false
	}
	name := i
	for name > 0 && (isLetter(line[name-1]) || isDigit(line[name-1])) {
		name--
	}
	before := strings.TrimRight(line[:name], " \t")
	return name < i && !isDigit(line[name]) && len(before) < name &&
		(strings.HasSuffix(before, "call") || strings.HasSuffix(before, "helper"))
}

// label is a label that stands on a line.
type label struct {
	name string
	col  int
}

// head is what stands on a line before the instruction.
type head struct {
	labels []label
	number int               // the slot that a printer wrote in front, or -1
	col    int               // where that number stands
	code   int               // the opcode that a printer wrote in front, or -1
	raw    []isa.Instruction // the bytes that a printer wrote in front
	row    *isa.Row          // the instruction that these bytes are
	start  int               // where the instruction begins
	end    int               // where the line ends, without spaces
}

// readHead splits line. Headings that say nothing are skipped.
func readHead(line string, labels []label) head {
	h := head{labels: labels[:0], number: -1, code: -1, end: len(line)}
	for h.end > 0 && isSpace(line[h.end-1]) {
		h.end--
	}
	line = line[:h.end]
	if h.space(line) == len(line) {
		return h
	}
	if line[len(line)-1] == ':' && h.heading(line) {
		h.start = len(line)
		return h
	}
	if strings.Contains(line, "\tfile format ") {
		h.start = len(line)
		return h
	}
	h.numbers(line)
	for {
		i := h.space(line)
		n := wordEnd(line, i)
		name := line[i:n]
		if i < len(line) && line[i] == '"' {
			var t token
			t.col = i
			if t.quoted(line) == "" {
				n, name = t.end, t.text
			}
		}
		colon := n
		for colon < len(line) && isSpace(line[colon]) {
			colon++
		}
		if n == i || line[i] == '%' || colon == len(line) || line[colon] != ':' {
			return h
		}
		h.labels = append(h.labels, label{name, i})
		h.start = colon + 1
	}
}

// space moves start over spaces and returns it.
func (h *head) space(line string) int {
	for h.start < len(line) && isSpace(line[h.start]) {
		h.start++
	}
	return h.start
}

// heading reads the lines that printers put over a function or a section:
//
//	0000000000000000 <name>:
//	<name>:
//	int name(struct __sk_buff * skb):
//	Disassembly of section xdp:
func (h *head) heading(line string) bool {
	body := line[h.start : len(line)-1]
	if strings.HasPrefix(body, "Disassembly of section ") {
		return true
	}
	if open := strings.IndexByte(body, '<'); open >= 0 && strings.HasSuffix(body, ">") && strings.Trim(body[:open], "0123456789abcdef \t") == "" {
		name := body[open+1 : len(body)-1]
		if name == "" {
			return false
		}
		h.labels = append(h.labels, label{name, h.start + open + 1})
		return true
	}
	if open := strings.IndexByte(body, '('); open > 0 && strings.HasSuffix(body, ")") {
		name := open
		for name > 0 && (isLetter(body[name-1]) || isDigit(body[name-1])) {
			name--
		}
		if wordEnd(body, name) == open && !strings.ContainsAny(body[:name], "=[(\"") {
			h.labels = append(h.labels, label{body[name:open], h.start + name})
			return true
		}
	}
	return false
}

// numbers reads what printers put in front of an instruction: "12:", then "(b7)" or the bytes in hexadecimal.
func (h *head) numbers(line string) {
	i, n := h.start, 0
	for i < len(line) && isDigit(line[i]) && n < 1<<30 {
		n = n*10 + int(line[i]-'0')
		i++
	}
	if i == h.start || i == len(line) || line[i] != ':' {
		return
	}
	h.number, h.col, h.start = n, h.start, i+1
	i = h.space(line)
	if i+4 <= len(line) && line[i] == '(' && line[i+3] == ')' {
		if b, err := hex.DecodeString(line[i+1 : i+3]); err == nil {
			h.code, h.start = int(b[0]), i+4
		}
		return
	}
	var raw []byte
	for i+2 <= len(line) && digit(line[i]) < 16 && digit(line[i+1]) < 16 && (i+2 == len(line) || isSpace(line[i+2])) {
		raw = append(raw, byte(digit(line[i])<<4|digit(line[i+1])))
		i += 2
		if i < len(line) && line[i] == ' ' {
			i++
		}
		if i < len(line) && line[i] == '\t' || i == len(line) {
			break
		}
	}
	if len(raw) > 0 && len(raw)%isa.InstructionSize == 0 {
		h.raw, _ = isa.Decode(raw, littleEndian)
		h.start = i
	}
}

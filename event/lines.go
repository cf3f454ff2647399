// Implements records that are lines of text: flat JSON objects and logfmt.

package event

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"
)

// LineFormat is a format of lines.
type LineFormat uint8

// The formats. A field of an object of JSON that is itself an object or a list is not looked at.
const (
	JSONLines LineFormat = iota // {"status":200,"path":"/"}
	Logfmt                      // status=200 path=/ msg="two words"
)

// Lines turns lines into records of its schema. It is safe for concurrent use.
type Lines struct {
	format LineFormat
	schema *Schema
	number map[string]int
}

// NewLines returns what turns lines with the given fields into records; of the fields, names and kinds count. Addresses,
// durations and times are texts in the line: "10.0.0.1", "250ms", RFC 3339; numbers of durations are nanoseconds.
func NewLines(format LineFormat, fields ...Field) (*Lines, error) {
	l := &Lines{format: format, schema: &Schema{Name: "lines"}, number: map[string]int{}}
	at := (len(fields) + 7) / 8
	for i, f := range fields {
		to := Field{Name: f.Name, Kind: f.Kind, Form: InPlace, Offset: at, Size: 8, Flag: i + 1}
		switch f.Kind {
		case Bool:
			to.Size = 1
		case String, Bytes:
			to.Form = Span
		case IP:
			to.Size = 16
		case Time:
			to.Form = seconds
		}
		at += to.bytes()
		l.schema.Fields = append(l.schema.Fields, to)
		l.number[f.Name] = i
	}
	l.schema.Size = at
	return l, l.schema.Check()
}

// maxLineFields bounds the fields that InferLines finds.
const maxLineFields = 1000

// InferLines finds out fields and their kinds from some lines: what is a whole number everywhere is an Int, or a Float if
// it is not whole somewhere, true and false are Bool, and everything else is String. Lines that are none are left out.
func InferLines(format LineFormat, lines [][]byte) (*Lines, error) {
	kinds := map[string]Kind{}
	var order []string
	for _, line := range lines {
		_ = scanLine(format, line, func(name, v []byte, quoted bool) {
			k := kindOf(v, quoted)
			old, ok := kinds[string(name)]
			switch {
			case k == 0:
				return
			case !ok && len(order) < maxLineFields:
				order = append(order, string(name))
				kinds[string(name)] = k
			case !ok || old == k:
			case old == Int && k == Float || old == Float && k == Int:
				kinds[string(name)] = Float
			default:
				kinds[string(name)] = String
			}
		})
	}
	var fields []Field
	for _, name := range order {
		fields = append(fields, Field{Name: name, Kind: kinds[name]})
	}
	return NewLines(format, fields...)
}

func kindOf(v []byte, quoted bool) Kind {
	s := string(v)
	switch {
	case quoted:
		return String
	case s == "null" || s == "":
		return 0
	case s == "true" || s == "false":
		return Bool
	}
	if _, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Int
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return Float
	}
	return String
}

// Schema returns the schema of the records.
func (l *Lines) Schema() *Schema { return l.schema }

// Record appends the record of a line to b, which is empty but may have room, and returns it. Fields that the line does
// not have, or whose values are not of their kind, are not there; of two with a name the last counts. It fails if the line
// is not in the format, and names the byte.
func (l *Lines) Record(b, line []byte) ([]byte, error) {
	if cap(b) < l.schema.Size {
		b = make([]byte, 0, 2*l.schema.Size+len(line))
	}
	b = b[:l.schema.Size]
	clear(b)
	s := lineScanner{text: line}
	err := s.scan(l.format, func(name, v []byte, quoted bool) {
		if n, ok := l.number[string(name)]; ok {
			b = l.put(b, &l.schema.Fields[n], v, quoted)
		}
	})
	return b, err
}

// put puts a value into a record.
func (l *Lines) put(b []byte, f *Field, v []byte, quoted bool) []byte {
	flag := f.Flag - 1
	b[flag/8] &^= 1 << (flag % 8)
	to := b[f.Offset:]
	free := quoted || l.format == Logfmt // any value may be a text in logfmt
	ok := false
	switch f.Kind {
	case Bool:
		s := string(v)
		ok = !quoted && (s == "true" || s == "false")
		if to[0] = 0; s == "true" {
			to[0] = 1
		}
	case Int, Uint, Duration:
		var n uint64
		n, ok = wholeNumber(f.Kind, v, quoted, free)
		binary.LittleEndian.PutUint64(to, n)
	case Float:
		x, err := strconv.ParseFloat(string(v), 64)
		ok = (err == nil || errors.Is(err, strconv.ErrRange)) && !quoted
		binary.LittleEndian.PutUint64(to, math.Float64bits(x))
	case IP:
		a, err := netip.ParseAddr(string(v))
		if ok = err == nil && free; ok {
			a16 := a.As16()
			copy(to, a16[:])
		}
	case Time:
		t, err := time.Parse(time.RFC3339Nano, string(v))
		ok = err == nil && free
		binary.LittleEndian.PutUint64(to, uint64(t.Unix()))
		binary.LittleEndian.PutUint64(to[8:], uint64(t.Nanosecond()))
	default:
		if ok = free || l.format == JSONLines && kindOf(v, false) != 0; ok {
			binary.LittleEndian.PutUint32(to, uint32(len(b)))
			binary.LittleEndian.PutUint32(to[4:], uint32(len(v)))
			b = append(b, v...)
		}
	}
	if ok {
		b[flag/8] |= 1 << (flag % 8)
	}
	return b
}

func wholeNumber(k Kind, v []byte, quoted, free bool) (uint64, bool) {
	switch {
	case k == Uint:
		n, err := strconv.ParseUint(string(v), 10, 64)
		return n, err == nil && !quoted
	case k == Duration && free:
		if d, err := time.ParseDuration(string(v)); err == nil {
			return uint64(d), true
		}
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return uint64(n), err == nil && !quoted
}

// lineScanner goes through a line.
type lineScanner struct {
	text []byte
	at   int
	name []byte // of a field, if it had to be unescaped
	buf  []byte // and of a value
}

func scanLine(format LineFormat, line []byte, f func(name, v []byte, quoted bool)) error {
	s := lineScanner{text: line}
	return s.scan(format, f)
}

func (s *lineScanner) scan(format LineFormat, f func(name, v []byte, quoted bool)) error {
	if format == Logfmt {
		return s.logfmt(f)
	}
	return s.object(f)
}

func (s *lineScanner) errorf(format string, args ...any) error {
	return &Error{Pos: s.at + 1, Text: fmt.Sprintf(format, args...)}
}

func (s *lineScanner) space() byte {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\r' || s.text[s.at] == '\n') {
		s.at++
	}
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// object goes through an object of JSON.
func (s *lineScanner) object(f func(name, v []byte, quoted bool)) error {
	if s.space() != '{' {
		return s.errorf("an object of JSON was expected")
	}
	s.at++
	for first := true; ; first = false {
		c := s.space()
		if c == '}' && first {
			break
		}
		if c != '"' {
			return s.errorf("the name of a field was expected, in quotes")
		}
		name, err := s.quoted(&s.name)
		if err != nil {
			return err
		}
		if s.space() != ':' {
			return s.errorf("a : was expected")
		}
		s.at++
		if err := s.value(name, f); err != nil {
			return err
		}
		if c = s.space(); c == '}' {
			break
		} else if c != ',' {
			return s.errorf("a , or } was expected")
		}
		s.at++
	}
	s.at++
	if s.space() != 0 {
		return s.errorf("there is more behind the object")
	}
	return nil
}

// value goes over a value of JSON.
func (s *lineScanner) value(name []byte, f func(name, v []byte, quoted bool)) error {
	switch c := s.space(); {
	case c == '"':
		v, err := s.quoted(&s.buf)
		if err == nil {
			f(name, v, true)
		}
		return err
	case c == '{' || c == '[':
		return s.nested()
	}
	start := s.at
	for s.at < len(s.text) && (s.text[s.at] >= '0' && s.text[s.at] <= '9' || s.text[s.at] >= 'a' && s.text[s.at] <= 'z' || s.text[s.at] == 'E' ||
		s.text[s.at] == '-' || s.text[s.at] == '+' || s.text[s.at] == '.') {
		s.at++
	}
	v := s.text[start:s.at]
	if !json.Valid(v) {
		s.at = start
		return s.errorf("a value of JSON was expected")
	}
	f(name, v, false)
	return nil
}

// nested goes over an object or a list inside.
func (s *lineScanner) nested() error {
	start, depth := s.at, 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			if _, err := s.quoted(&s.buf); err != nil {
				return err
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			if v := s.text[start:s.at]; !json.Valid(v) {
				s.at = start
				return s.errorf("a value of JSON was expected")
			}
			return nil
		}
	}
	return s.errorf("the line ends in an object or a list")
}

// quoted reads a text in quotes. If it has escapes it is put together in buf.
func (s *lineScanner) quoted(buf *[]byte) ([]byte, error) {
	start := s.at
	s.at++
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			s.at++
			return s.text[start+1 : s.at-1], nil
		case c == '\\':
			s.at = start + 1
			return s.escaped(buf)
		case c < ' ':
			return nil, s.errorf("a control character in a text")
		}
		s.at++
	}
	return nil, s.errorf("the line ends in a text")
}

var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (s *lineScanner) escaped(buf *[]byte) ([]byte, error) {
	out := (*buf)[:0]
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch {
		case c == '"':
			*buf = out
			return out, nil
		case c < ' ':
			return nil, s.errorf("a control character in a text")
		case c != '\\':
			out = append(out, c)
			continue
		case s.at == len(s.text):
			return nil, s.errorf("the line ends in a text")
		}
		e := s.text[s.at]
		s.at++
		if e != 'u' {
			to, ok := escapes[e]
			if !ok {
				return nil, s.errorf("unknown escape \\%c", e)
			}
			out = append(out, to)
			continue
		}
		r, err := s.unicode()
		if err != nil {
			return nil, err
		}
		out = utf8.AppendRune(out, r)
	}
	return nil, s.errorf("the line ends in a text")
}

// unicode reads what is behind \u, and a second half behind that if it is one of two. Halves alone are U+FFFD.
func (s *lineScanner) unicode() (rune, error) {
	one := func() (rune, bool) {
		if s.at+4 > len(s.text) {
			return 0, false
		}
		n, err := strconv.ParseUint(string(s.text[s.at:s.at+4]), 16, 16)
		return rune(n), err == nil
	}
	r, ok := one()
	if !ok {
		return 0, s.errorf("four hex digits were expected")
	}
	s.at += 4
	if r < 0xd800 || r > 0xdfff {
		return r, nil
	}
	if r < 0xdc00 && s.at+6 <= len(s.text) && s.text[s.at] == '\\' && s.text[s.at+1] == 'u' {
		s.at += 2
		if low, ok := one(); ok && low >= 0xdc00 && low <= 0xdfff {
			s.at += 4
			return (r-0xd800)<<10 + low - 0xdc00 + 0x10000, nil
		}
		s.at -= 2
	}
	return utf8.RuneError, nil
}

// logfmt goes through name=value pairs.
func (s *lineScanner) logfmt(f func(name, v []byte, quoted bool)) error {
	for s.space() != 0 {
		start := s.at
		for s.at < len(s.text) && s.text[s.at] > ' ' && s.text[s.at] != '=' && s.text[s.at] != '"' {
			s.at++
		}
		name := s.text[start:s.at]
		if len(name) == 0 {
			return s.errorf("a name was expected")
		}
		if s.at == len(s.text) || s.text[s.at] != '=' {
			f(name, []byte("true"), false)
			continue
		}
		s.at++
		if s.at < len(s.text) && s.text[s.at] == '"' {
			v, err := s.quoted(&s.buf)
			if err != nil {
				return err
			}
			f(name, v, true)
			continue
		}
		start = s.at
		for s.at < len(s.text) && s.text[s.at] > ' ' {
			s.at++
		}
		f(name, s.text[start:s.at], false)
	}
	return nil
}

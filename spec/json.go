// Implements spec JSON, the form in which programs and maps are handed between tools: its strict reader and its writer.

package spec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/skepbpf/skep/isa"
)

// maxInner is how deep maps may stand in maps. The kernel allows one level.
const maxInner = 4

// JSONError says where and why a text is not valid spec JSON.
type JSONError struct {
	Line, Column int    // from 1; columns count bytes
	Path         string // where in the document, such as "programs[0].insns"; empty for the document itself
	Text         string // what is wrong and what was expected
}

func (e *JSONError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Text)
	}
	return fmt.Sprintf("%d:%d: %s: %s", e.Line, e.Column, e.Path, e.Text)
}

// IsJSON reports whether data looks like spec JSON: an object whose first token is a field name or its end.
// It reads no further, so that ParseJSON can say what is wrong with the rest.
func IsJSON(data []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
	rest = bytes.TrimLeft(rest, " \t\r\n")
	return ok && len(rest) > 0 && (rest[0] == '"' || rest[0] == '}')
}

// ParseJSON reads spec JSON. It is strict: field names are case-sensitive; unknown, repeated and missing
// fields, wrong types, bad hex, references to maps, programs or instructions that do not exist, and anything
// after the document are errors of type *JSONError. Programs may still be wrong in every other way; loading
// them tells. Lists that are empty or absent become nil.
func ParseJSON(data []byte) (*Collection, error) {
	r := &jsonReader{data: data, starts: map[string]int{}}
	if err := r.syntax(); err != nil {
		return nil, err
	}
	r.dec = json.NewDecoder(bytes.NewReader(data))
	r.dec.UseNumber()
	c := &Collection{}
	err := r.object(fields{
		"programs":  list(r, &c.Programs, r.program),
		"maps":      list(r, &c.Maps, func(path string) (Map, error) { return r.mapDef(path, 0) }),
		"variables": list(r, &c.Variables, r.variable),
	})("")
	if err != nil {
		return nil, err
	}
	if object, field, wrong := c.inconsistency(); wrong != "" {
		return nil, r.fail(r.starts[object], join(object, field), "%s", wrong)
	}
	return c, nil
}

// UnmarshalJSON is ParseJSON as encoding/json calls it.
func (c *Collection) UnmarshalJSON(data []byte) error {
	parsed, err := ParseJSON(data)
	if err != nil {
		return err
	}
	*c = *parsed
	return nil
}

// jsonReader walks a document's tokens, which are known to be well formed.
type jsonReader struct {
	data   []byte
	dec    *json.Decoder
	starts map[string]int // offset at which the object with this path starts
}

// reader reads the value that comes next; path is its place in the document.
type reader func(path string) error

// fields tells how to read each field of an object.
type fields map[string]reader

// syntax checks the document as JSON, so that what follows meets only whole tokens.
func (r *jsonReader) syntax() error {
	if at := invalidUTF8(r.data); at >= 0 {
		return r.fail(at, "", "byte %#02x is not valid UTF-8", r.data[at])
	}
	var raw json.RawMessage
	var bad *json.SyntaxError
	if err := json.Unmarshal(r.data, &raw); errors.As(err, &bad) {
		return r.fail(max(0, int(bad.Offset)-1), "", "%s", bad.Error())
	} else if err != nil {
		return r.fail(0, "", "%s", err.Error())
	}
	return nil
}

// invalidUTF8 returns the offset of the first byte that is not valid UTF-8, or -1.
func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

func (r *jsonReader) fail(at int, path, format string, args ...any) error {
	before := r.data[:min(at, len(r.data))]
	return &JSONError{Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n'),
		Path: path, Text: fmt.Sprintf(format, args...)}
}

// peek returns the offset at which the next token starts.
func (r *jsonReader) peek() int {
	at := int(r.dec.InputOffset())
	for at < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[at]) >= 0 {
		at++
	}
	return at
}

// next returns the next token and the offset at which it starts.
func (r *jsonReader) next() (json.Token, int) {
	at := r.peek()
	t, err := r.dec.Token()
	if err != nil {
		return nil, at
	}
	return t, at
}

// describe names the sort of a token for messages.
func describe(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return "a list"
		}
		return "an object"
	case string:
		return "a string"
	case json.Number:
		return "the number " + t.String()
	case bool:
		return strconv.FormatBool(t)
	}
	return "null"
}

// object reads an object with the given fields, of which the required ones must be there.
func (r *jsonReader) object(known fields, required ...string) reader {
	return func(path string) error {
		t, start := r.next()
		if t != json.Delim('{') {
			return r.fail(start, path, "expected an object, found %s", describe(t))
		}
		r.starts[path] = start
		seen := map[string]bool{}
		for r.dec.More() {
			t, at := r.next()
			name, _ := t.(string)
			read := known[name]
			inner := join(path, name)
			switch {
			case read == nil:
				return r.fail(at, path, "unknown field %q, expected one of %s", name, strings.Join(sortedNames(known), ", "))
			case seen[name]:
				return r.fail(at, inner, "the field is given twice")
			}
			seen[name] = true
			if err := read(inner); err != nil {
				return err
			}
		}
		for _, name := range required {
			if !seen[name] {
				return r.fail(start, path, "the object has no field %q", name)
			}
		}
		r.next()
		return nil
	}
}

func sortedNames(f fields) []string {
	var names []string
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func join(path, name string) string {
	return strings.Trim(path+"."+name, ".")
}

// list reads a list of what read returns.
func list[T any](r *jsonReader, to *[]T, read func(path string) (T, error)) reader {
	return func(path string) error {
		t, at := r.next()
		if t != json.Delim('[') {
			return r.fail(at, path, "expected a list, found %s", describe(t))
		}
		for r.dec.More() {
			v, err := read(fmt.Sprintf("%s[%d]", path, len(*to)))
			if err != nil {
				return err
			}
			*to = append(*to, v)
		}
		r.next()
		return nil
	}
}

// str reads a string.
func (r *jsonReader) str(to *string) reader {
	return r.parsed(func(s string) (err error) { *to = s; return nil })
}

// boolean reads true or false.
func (r *jsonReader) boolean(to *bool) reader {
	return func(path string) error {
		t, at := r.next()
		b, ok := t.(bool)
		if !ok {
			return r.fail(at, path, "expected true or false, found %s", describe(t))
		}
		*to = b
		return nil
	}
}

// parsed reads a string that parse understands.
func (r *jsonReader) parsed(parse func(string) error) reader {
	return func(path string) error {
		t, at := r.next()
		s, ok := t.(string)
		if !ok {
			return r.fail(at, path, "expected a string, found %s", describe(t))
		}
		if err := parse(s); err != nil {
			return r.fail(at, path, "%s", err.Error())
		}
		return nil
	}
}

// hex reads bytes written as hex digits. No digits give nil.
func (r *jsonReader) hex(to *[]byte) reader {
	return r.parsed(func(s string) (err error) {
		*to, err = parseHex(s)
		return err
	})
}

func parseHex(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	b, err := hex.DecodeString(s)
	var bad hex.InvalidByteError
	switch {
	case errors.As(err, &bad):
		at := strings.IndexByte(s, byte(bad))
		found, _ := utf8.DecodeRuneInString(s[at:])
		return nil, fmt.Errorf("expected hex digits, found %q at character %d", found, at+1)
	case err != nil:
		return nil, fmt.Errorf("expected two hex digits a byte, found an odd number of digits (%d)", len(s))
	}
	return b, nil
}

// insns reads a program's code.
func (r *jsonReader) insns(to *[]isa.Instruction) reader {
	return r.parsed(func(s string) error {
		b, err := parseHex(s)
		if err != nil || len(b) == 0 {
			return err
		}
		if len(b)%isa.InstructionSize != 0 {
			return fmt.Errorf("%d bytes of code, expected a multiple of %d, the size of an instruction", len(b), isa.InstructionSize)
		}
		*to, err = isa.Decode(b, binary.LittleEndian)
		return err
	})
}

// number reads a whole number that fits T, from 0 to limit.
func number[T uint32 | uint64 | int](r *jsonReader, to *T, limit uint64) reader {
	return func(path string) error {
		t, at := r.next()
		n, ok := t.(json.Number)
		if !ok {
			return r.fail(at, path, "expected a number, found %s", describe(t))
		}
		v, err := strconv.ParseUint(n.String(), 10, 64)
		if err != nil || v > limit {
			return r.fail(at, path, "expected a whole number from 0 to %d, found %s", limit, n)
		}
		*to = T(v)
		return nil
	}
}

// Implements spec JSON, the form in which programs and maps are handed between tools: its reader.

package spec

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/skepbpf/skep/internal/strictjson"
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
	c, err := parseJSON(data)
	var e *strictjson.Error
	if errors.As(err, &e) {
		return nil, (*JSONError)(e)
	}
	return c, err
}

func parseJSON(data []byte) (*Collection, error) {
	strict, err := strictjson.New(data)
	if err != nil {
		return nil, err
	}
	r := &jsonReader{strict}
	c := &Collection{}
	err = r.object(fields{
		"programs":  list(r, &c.Programs, r.program),
		"maps":      list(r, &c.Maps, func(path string) (Map, error) { return r.mapDef(path, 0) }),
		"variables": list(r, &c.Variables, r.variable),
	})("")
	if err != nil {
		return nil, err
	}
	if object, field, wrong := c.inconsistency(); wrong != "" {
		return nil, r.FailIn(object, field, wrong)
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

// jsonReader reads the parts of spec JSON.
type jsonReader struct{ *strictjson.Reader }

// What is read is said in the words of strictjson.
type (
	reader = strictjson.Value
	fields = strictjson.Fields
)

func (r *jsonReader) object(known fields, required ...string) reader {
	return r.Object(known, required...)
}
func (r *jsonReader) str(to *string) reader                  { return r.Text(to) }
func (r *jsonReader) boolean(to *bool) reader                { return r.Bool(to) }
func (r *jsonReader) parsed(parse func(string) error) reader { return r.Parsed(parse) }

func list[T any](r *jsonReader, to *[]T, read func(path string) (T, error)) reader {
	return strictjson.List(r.Reader, to, read)
}

func number[T uint32 | uint64 | int](r *jsonReader, to *T, limit uint64) reader {
	return strictjson.Number(r.Reader, to, limit)
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

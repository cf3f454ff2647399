// Implements a strict reader of JSON whose errors name the place.

// Package strictjson reads JSON documents of a known form. It is strict: field names are case-sensitive, unknown,
// repeated and missing fields and values of the wrong type are errors, and every error says where in the text and
// where in the document it is.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Error says where and why a document is wrong.
type Error struct {
	Line, Column int    // from 1; columns count bytes
	Path         string // where in the document, such as "programs[0].insns"; empty for the document itself
	Text         string // what is wrong and what was expected
}

func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Text)
	}
	return fmt.Sprintf("%d:%d: %s: %s", e.Line, e.Column, e.Path, e.Text)
}

// Reader walks a document's tokens, which are known to be well formed.
type Reader struct {
	data   []byte
	dec    *json.Decoder
	starts map[string]int // offset at which the value with this path starts
}

// Value reads the value that comes next; path is its place in the document.
type Value func(path string) error

// Fields tells how to read each field of an object.
type Fields map[string]Value

// New checks a document as JSON, so that what follows meets only whole tokens. All errors of this package are of
// type *Error.
func New(data []byte) (*Reader, error) {
	r := &Reader{data: data, starts: map[string]int{}}
	if at := invalidUTF8(data); at >= 0 {
		return nil, r.fail(at, "", "byte %#02x is not valid UTF-8", data[at])
	}
	var raw json.RawMessage
	var bad *json.SyntaxError
	if err := json.Unmarshal(data, &raw); errors.As(err, &bad) {
		return nil, r.fail(max(0, int(bad.Offset)-1), "", "%s", bad.Error())
	} else if err != nil {
		return nil, r.fail(0, "", "%s", err.Error())
	}
	r.dec = json.NewDecoder(bytes.NewReader(data))
	r.dec.UseNumber()
	return r, nil
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

func (r *Reader) fail(at int, path, format string, args ...any) error {
	before := r.data[:min(at, len(r.data))]
	return &Error{Line: 1 + bytes.Count(before, []byte("\n")), Column: len(before) - bytes.LastIndexByte(before, '\n'),
		Path: path, Text: fmt.Sprintf(format, args...)}
}

// Fail returns an error about the value with a path that has been read, or is being read: of what has no place, the
// nearest that it is in.
func (r *Reader) Fail(path, format string, args ...any) error {
	for within := path; ; {
		if at, ok := r.starts[within]; ok || within == "" {
			return r.fail(at, path, format, args...)
		}
		within = within[:max(strings.LastIndexAny(within, ".["), 0)]
	}
}

// FailIn is Fail at the place of an object, about one of its fields, which need not be there.
func (r *Reader) FailIn(object, field, text string) error {
	return r.fail(r.starts[object], Join(object, field), "%s", text)
}

// Read reads a value whose place is path, and remembers where it starts.
func (r *Reader) Read(path string, read Value) error {
	r.starts[path] = r.peek()
	return read(path)
}

// peek returns the offset at which the next token starts.
func (r *Reader) peek() int {
	at := int(r.dec.InputOffset())
	for at < len(r.data) && strings.IndexByte(" \t\r\n,:", r.data[at]) >= 0 {
		at++
	}
	return at
}

// IsNull reports whether the next value is null.
func (r *Reader) IsNull() bool { return r.data[r.peek()] == 'n' }

// next returns the next token and the offset at which it starts.
func (r *Reader) next() (json.Token, int) {
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

// Object reads an object with the given fields, of which the required ones must be there.
func (r *Reader) Object(known Fields, required ...string) Value {
	return r.object(known, false, required)
}

// OpenObject is Object for objects that may have other fields: these are skipped.
func (r *Reader) OpenObject(known Fields, required ...string) Value {
	return r.object(known, true, required)
}

func (r *Reader) object(known Fields, open bool, required []string) Value {
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
			if read == nil && open {
				read = r.Skip()
			}
			inner := Join(path, name)
			switch {
			case read == nil:
				return r.fail(at, path, "unknown field %q, expected one of %s", name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			case seen[name]:
				return r.fail(at, inner, "the field is given twice")
			}
			seen[name] = true
			if err := r.Read(inner, read); err != nil {
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

// Join returns the path of an object's field.
func Join(path, name string) string {
	return strings.Trim(path+"."+name, ".")
}

// Skip reads any value and forgets it.
func (r *Reader) Skip() Value {
	return func(string) error {
		depth := 0
		for {
			switch t, _ := r.next(); t {
			case json.Delim('{'), json.Delim('['):
				depth++
			case json.Delim('}'), json.Delim(']'):
				depth--
			}
			if depth == 0 {
				return nil
			}
		}
	}
}

// Optional reads null as if the value were not there.
func (r *Reader) Optional(read Value) Value {
	return func(path string) error {
		if r.IsNull() {
			r.next()
			return nil
		}
		return read(path)
	}
}

// List reads a list of what read returns.
func List[T any](r *Reader, to *[]T, read func(path string) (T, error)) Value {
	return func(path string) error {
		t, at := r.next()
		if t != json.Delim('[') {
			return r.fail(at, path, "expected a list, found %s", describe(t))
		}
		for i := 0; r.dec.More(); i++ {
			inner := fmt.Sprintf("%s[%d]", path, i)
			r.starts[inner] = r.peek()
			v, err := read(inner)
			if err != nil {
				return err
			}
			*to = append(*to, v)
		}
		r.next()
		return nil
	}
}

// Text reads a string.
func (r *Reader) Text(to *string) Value {
	return r.Parsed(func(s string) error { *to = s; return nil })
}

// Parsed reads a string that parse understands.
func (r *Reader) Parsed(parse func(string) error) Value {
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

// Bool reads true or false.
func (r *Reader) Bool(to *bool) Value {
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

// Number reads a whole number from 0 to limit, which must fit T.
func Number[T uint16 | uint32 | uint64 | int](r *Reader, to *T, limit uint64) Value {
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

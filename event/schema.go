// Implements schemas: the fields of records, and where in a record each is.

package event

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what a value is.
type Kind uint8

// The kinds. Text that is Bytes compares with bytes, String with text.
const (
	Bool     Kind = iota + 1
	Int           // signed, of 64 bits once it is read
	Uint          // unsigned
	Float         // IEEE 754
	String        // text, which is not checked for being UTF-8
	Bytes         // bytes
	IP            // an address of IP version 4 or 6; ::ffff:a.b.c.d is a.b.c.d
	Duration      // nanoseconds
	Time          // a point in time
)

var kindNames = [...]string{"nothing", "bool", "int", "uint", "float", "string", "bytes", "ip", "duration", "time"}

// String returns the kind's name.
func (k Kind) String() string { return kindNames[k] }

// text reports whether a value is bytes of any length.
func (k Kind) text() bool { return k == String || k == Bytes }

// number reports whether a value is one number of 64 bits.
func (k Kind) number() bool { return k == Int || k == Uint || k == Float || k == Duration }

// integer reports whether a value is a whole number.
func (k Kind) integer() bool { return k == Int || k == Uint || k == Duration }

// Form is how a value is stored.
type Form uint8

// The forms.
const (
	InPlace Form = iota // a number, or text that fills Size bytes; an address of 4 or 16 bytes; nanoseconds since 1970
	CString             // text in Size bytes, up to the first NUL if there is one
	DataLoc             // where text is: its offset in the record, 16 bits, and its size, 16 bits; it ends at a NUL as well (the kernel's __data_loc)
	RelLoc              // the same, with an offset from the end of these 32 bits (__rel_loc)
	Span                // where text is: its offset in the record and its size, 32 bits each
	goText              // a Go string or slice
	goAddr              // a netip.Addr
	goTime              // a time.Time
	seconds             // a time: seconds since 1970, 64 bits, and nanoseconds, 64 bits
)

// Field is a field of a record.
type Field struct {
	Name   string
	Kind   Kind
	Form   Form
	Offset int  // bytes from the start of the record
	Size   int  // bytes of a number (1, 2, 4 or 8; floats 4 or 8), of text in place, or of an address
	Big    bool // a number with its highest byte first; otherwise the lowest is first

	// Flag, if not 0, is the bit of the record that tells whether the field is there, counted from 1: bit 0 of byte 0
	// is 1.
	Flag int

	via []int // offsets of pointers to follow first, from the record on
}

// Schema is the fields of a kind of record. It must not change once it is in use.
type Schema struct {
	Name   string
	Fields []Field
	Size   int // bytes that every record has at least: those of the fixed part

	kernel bool              // numbers compare in the size of their field, as in the kernel's filters
	others map[string]string // names of fields that cannot be used, and why
	host   bool              // records are Go values in this process; else they are bytes
	typ    *structType
}

// Field returns the field with a name, or nil.
func (s *Schema) Field(name string) *Field {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// Check reports the first field that cannot be: outside the record, of an unknown size, or with the name of another.
func (s *Schema) Check() error {
	seen := map[string]bool{}
	for i := range s.Fields {
		f := &s.Fields[i]
		if err := f.check(s); err != nil {
			return fmt.Errorf("schema %s: field %q: %w", s.Name, f.Name, err)
		}
		if seen[f.Name] {
			return fmt.Errorf("schema %s: two fields have the name %q", s.Name, f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

// maxRecord bounds offsets and sizes in schemas: what fits the offset of an instruction.
const maxRecord = 1<<15 - 32

func (f *Field) check(s *Schema) error {
	if f.Kind < Bool || f.Kind > Time {
		return fmt.Errorf("unknown kind %d", f.Kind)
	}
	size := f.bytes()
	sizes := map[Kind][]int{Bool: {1}, Int: {1, 2, 4, 8}, Uint: {1, 2, 4, 8}, Float: {4, 8}, IP: {4, 16}, Duration: {8}, Time: {8}}
	switch {
	case f.Form == InPlace && !f.Kind.text() && !slices.Contains(sizes[f.Kind], f.Size):
		return fmt.Errorf("a %s of %d bytes", f.Kind, f.Size)
	case f.Form > seconds || !s.host && f.Form >= goText && f.Form <= goTime || !s.host && len(f.via) > 0:
		return fmt.Errorf("a form (%d) that only Go structs have", f.Form)
	case (f.Form == CString || f.Form == DataLoc || f.Form == RelLoc) && !f.Kind.text(), f.Form == Span && !f.Kind.text() && f.Kind != IP:
		return fmt.Errorf("a %s in the form of text", f.Kind)
	case f.Offset < 0 || size < 0 || f.Offset > maxRecord || size > maxRecord || f.Offset+size > maxRecord:
		return fmt.Errorf("at byte %d, %d bytes: records have at most %d bytes ahead of their texts", f.Offset, size, maxRecord)
	case !s.host && f.Offset+size > s.Size:
		return fmt.Errorf("at byte %d, %d bytes, of a record that may have %d", f.Offset, size, s.Size)
	case f.Flag < 0 || f.Flag > 8*s.Size || f.Flag > 0 && s.host:
		return fmt.Errorf("its flag is bit %d", f.Flag)
	}
	return nil
}

// bytes is how many bytes a field has in the fixed part of a record.
func (f *Field) bytes() int {
	switch f.Form {
	case DataLoc, RelLoc:
		return 4
	case Span:
		return 8
	case seconds, goText:
		return 16
	case goAddr, goTime:
		return 24
	}
	return f.Size
}

// names lists what fields there are, for errors.
func (s *Schema) names() string {
	var out []string
	for i := range s.Fields {
		out = append(out, s.Fields[i].Name)
	}
	slices.Sort(out)
	if len(out) > 40 {
		out = append(out[:40], "…")
	}
	return strings.Join(out, ", ")
}

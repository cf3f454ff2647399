// Implements reading the description of an event of the kernel: the format files of tracefs.

package event

import (
	"fmt"
	"strconv"
	"strings"
)

// Format is a format file.
type Format struct {
	Name string
	ID   uint16 // what the field common_type has in records of the event
	*Schema
}

// maxFormat bounds format files, bytes.
const maxFormat = 1 << 20

// ParseFormat reads a format file, such as /sys/kernel/tracing/events/sched/sched_switch/format (the kernel's
// Documentation/trace/events.rst). Its fields are whole numbers of 1, 2, 4 and 8 bytes and texts: arrays of char and
// dynamic ones (__data_loc, __rel_loc). Others are known by name and cannot be used. Errors name the line.
func ParseFormat(text string) (*Format, error) {
	if len(text) > maxFormat {
		return nil, fmt.Errorf("a format file of %d bytes, at most %d", len(text), maxFormat)
	}
	f := &Format{Schema: &Schema{kernel: true, others: map[string]string{}}}
	for i, line := range strings.Split(text, "\n") {
		key, rest, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		var err error
		switch rest = strings.TrimSpace(rest); key {
		case "name":
			f.Name = rest
		case "ID":
			var id uint64
			id, err = strconv.ParseUint(rest, 10, 16)
			f.ID = uint16(id)
		case "field":
			err = f.field(rest)
		case "print fmt":
			return f.done()
		}
		if err != nil {
			return nil, fmt.Errorf("format, line %d: %w", i+1, err)
		}
	}
	return f.done()
}

func (f *Format) done() (*Format, error) {
	f.Schema.Name = f.Name
	switch {
	case f.Name == "":
		return nil, fmt.Errorf("format: there is no line with the name of the event")
	case len(f.Fields) == 0:
		return nil, fmt.Errorf("format of %s: there is no field that can be read", f.Name)
	}
	if err := f.Check(); err != nil {
		return nil, fmt.Errorf("format: %w", err)
	}
	return f, nil
}

// field reads what stands behind "field:", such as "char comm[16]; offset:8; size:16; signed:0;".
func (f *Format) field(s string) error {
	parts := strings.Split(s, ";")
	numbers := map[string]int{}
	for _, p := range parts[1:] {
		name, v, ok := strings.Cut(strings.TrimSpace(p), ":")
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			return fmt.Errorf("%s of %q is no number: %q", name, parts[0], v)
		}
		numbers[name] = int(n)
	}
	for _, name := range []string{"offset", "size"} {
		if _, ok := numbers[name]; !ok {
			return fmt.Errorf("field %q has no %s", parts[0], name)
		}
	}
	decl := strings.TrimSpace(parts[0])
	at := strings.LastIndexAny(decl, " \t*")
	if at < 0 {
		return fmt.Errorf("field %q has no type", decl)
	}
	typ, name := strings.TrimSpace(decl[:at+1]), decl[at+1:]
	name, array, _ := strings.Cut(name, "[")
	if array != "" {
		typ += "[" + array
	}
	if name == "" {
		return fmt.Errorf("field %q has no name", decl)
	}
	if f.Schema.Field(name) != nil || f.others[name] != "" {
		return fmt.Errorf("there are two fields %q", name)
	}
	field := Field{Name: name, Offset: numbers["offset"], Size: numbers["size"]}
	if field.Offset+field.Size > maxRecord {
		return fmt.Errorf("field %q ends at byte %d, at most %d", name, field.Offset+field.Size, maxRecord)
	}
	f.Size = max(f.Size, field.Offset+field.Size)
	if why := field.declare(typ, numbers["signed"] == 1); why != "" {
		f.others[name] = why
		return nil
	}
	f.Fields = append(f.Fields, field)
	return nil
}

// declare sets a field's kind and form by its type in C. It returns why the field cannot be used, or nothing.
func (f *Field) declare(typ string, signed bool) (why string) {
	char := strings.Contains(typ, "char")
	data, rel := strings.HasPrefix(typ, "__data_loc"), strings.HasPrefix(typ, "__rel_loc")
	switch {
	case (data || rel) && (!char || f.Size != 4):
		return "it is an array of " + strings.TrimSuffix(strings.TrimSpace(typ[strings.Index(typ, "_loc")+4:]), "[]")
	case data:
		f.Kind, f.Form = String, DataLoc
	case rel:
		f.Kind, f.Form = String, RelLoc
	case strings.Contains(typ, "[") && char:
		f.Kind, f.Form = String, CString
	case strings.Contains(typ, "["):
		return "it is an array (" + typ + ")"
	case strings.Contains(typ, "*") && char:
		return "it is the address of a text (" + typ + "), and the text is not in the record"
	case f.Size != 1 && f.Size != 2 && f.Size != 4 && f.Size != 8:
		return fmt.Sprintf("it is a %s of %d bytes", typ, f.Size)
	case signed:
		f.Kind = Int
	default:
		f.Kind = Uint
	}
	return ""
}

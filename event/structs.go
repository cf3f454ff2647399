// Implements schemas of Go structs: fields by their offsets, read in place.

package event

import (
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// structType is the struct that the records of a schema are.
type structType struct{ t reflect.Type }

// StructSchema returns the schema of a Go struct type. Its fields are the exported fields: those of structs inside, and
// behind pointers, with a dot between the names; those of embedded structs by their own names. A field tag of the form
// event:"name" gives another name, event:"-" leaves the field out.
//
// Fields are true or false, numbers, strings, []byte and arrays of bytes, time.Time, time.Duration, netip.Addr, net.IP,
// and pointers to these. Others, such as slices, maps and interfaces, are left out. A field behind a nil pointer is not
// there, as an address that is not valid.
func StructSchema(t reflect.Type) (*Schema, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is no struct", t)
	}
	w := &structWalk{s: &Schema{Name: t.String(), Size: int(t.Size()), host: true, typ: &structType{t}}}
	w.fields(t, "", 0, nil, nil)
	if len(w.s.Fields) == 0 {
		return nil, fmt.Errorf("struct %s has no field that can be read", t)
	}
	return w.s, w.s.Check()
}

type structWalk struct{ s *Schema }

// maxFields bounds the fields of a schema that types refer to each other for.
const maxFields = 4096

// fields adds the fields of a struct that lies off bytes from where via leads. Types being walked are not entered again.
func (w *structWalk) fields(t reflect.Type, prefix string, off int, via []int, above []reflect.Type) {
	if slices.Contains(above, t) {
		return
	}
	above = append(slices.Clone(above), t)
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Name
		if tag, ok := f.Tag.Lookup("event"); ok && tag != "" {
			name = tag
		}
		if name == "-" || !f.IsExported() && !f.Anonymous || len(w.s.Fields) >= maxFields {
			continue
		}
		at, typ, path := off+int(f.Offset), f.Type, via
		for typ.Kind() == reflect.Pointer && len(path) < 8 {
			path = append(slices.Clone(path), at)
			at, typ = 0, typ.Elem()
		}
		if at > maxRecord {
			continue
		}
		if field, ok := leaf(typ); ok {
			field.Name, field.Offset, field.via = prefix+name, at, path
			if f.IsExported() && w.s.Field(field.Name) == nil {
				w.s.Fields = append(w.s.Fields, field)
			}
			continue
		}
		if typ.Kind() == reflect.Struct {
			inner := prefix + name + "."
			if f.Anonymous && name == f.Name {
				inner = prefix
			}
			w.fields(typ, inner, at, path, above)
		}
	}
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	addrType     = reflect.TypeFor[netip.Addr]()
	ipType       = reflect.TypeFor[net.IP]()
)

// leaf returns the field of a type that is a value.
func leaf(t reflect.Type) (Field, bool) {
	switch {
	case t == timeType:
		return Field{Kind: Time, Form: goTime}, true
	case t == durationType:
		return Field{Kind: Duration, Size: 8}, true
	case t == addrType:
		return Field{Kind: IP, Form: goAddr}, true
	case t == ipType:
		return Field{Kind: IP, Form: goText}, true
	}
	size := int(t.Size())
	switch t.Kind() {
	case reflect.Bool:
		return Field{Kind: Bool, Size: 1}, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Field{Kind: Int, Size: size}, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return Field{Kind: Uint, Size: size}, true
	case reflect.Float32, reflect.Float64:
		return Field{Kind: Float, Size: size}, true
	case reflect.String:
		return Field{Kind: String, Form: goText}, true
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() != reflect.Uint8 {
			return Field{}, false
		}
		if t.Kind() == reflect.Slice {
			return Field{Kind: Bytes, Form: goText}, true
		}
		return Field{Kind: Bytes, Size: size}, size > 0 && size <= maxRecord
	}
	return Field{}, false
}

// hostLayout reports whether Go's own types are as machine code expects them; where they are not, records are copied.
var hostLayout = func() bool {
	addr, tm := addrType, timeType
	return reflect.TypeFor[uintptr]().Size() == 8 &&
		addr.Size() == 24 && addr.NumField() == 2 && addr.Field(1).Offset == 16 && tm.Size() == 24 && tm.NumField() == 3 &&
		tm.Field(0).Name == "wall" && tm.Field(1).Name == "ext" && tm.Field(1).Offset == 8
}()

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// SchemaFor is StructSchema of the type T.
func SchemaFor[T any]() (*Schema, error) { return StructSchema(typeOf[T]()) }

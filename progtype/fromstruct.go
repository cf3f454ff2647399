// Implements program types that an embedder declares as a Go struct.

package progtype

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/skepbpf/skep/spec"
)

// maxStruct is how many bytes a context may have.
const maxStruct = 1 << 16

// FromStruct returns a program type whose context is laid out as the struct v, or the struct that v points to: each
// field aligned to its size, as C compilers do it. Fields are integers and booleans of fixed size, arrays and structs of
// such. Their names are those of the Go fields in lower case with underscores. A tag says more, separated by commas: a
// name, "rw" for fields that programs may write, "-" for bytes that they must not touch, and for a uint32 or uint64
// "data", "data_end" or "data_meta", if it is to be the address of the packet, of its end, or of its metadata:
//
//	type context struct {
//		Data    uint64 `bpf:"data"`
//		DataEnd uint64 `bpf:"data_end"`
//		Score   uint32 `bpf:"score,rw"`
//	}
//
// Programs of the type run on a packet if there is such a field. Encode turns a
// value into the context's bytes. The error names the
// field that is not possible. The type has the number spec.Unspec; give it where a program is loaded.
func FromStruct(v any) (*Type, error) {
	t := reflect.TypeOf(v)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("a context is declared by a struct, not by a %T", v)
	}
	l := &Layout{Name: t.Name()}
	typ := &Type{Type: spec.Unspec, Context: l}
	size, align, err := l.add(t, 0, "", Access{Sizes: Any}, Access{})
	if err != nil {
		return nil, err
	}
	if l.Size = roundUp(size, align); l.Size > maxStruct {
		return nil, fmt.Errorf("struct %s has %d bytes, at most %d", t, l.Size, maxStruct)
	}
	for _, f := range l.Fields {
		typ.Packet = typ.Packet || f.Value == PacketStart
	}
	typ.Rewrite = typ.Packet
	return typ, nil
}

func roundUp(n, align int) int { return (n + align - 1) / max(align, 1) * max(align, 1) }

var pointers = map[string]struct {
	value Value
	from  Source
}{"data": {PacketStart, DataStart}, "data_end": {PacketEnd, DataEnd}, "data_meta": {PacketMeta, DataMeta}}

// add appends the fields of a struct that begins at off, and returns where it ends and its alignment.
func (l *Layout) add(t reflect.Type, off int, prefix string, read, write Access) (end, align int, err error) {
	start := off
	for i := range t.NumField() {
		sf := t.Field(i)
		name, read, write, ref := snake(sf.Name), read, write, ""
		for n, option := range strings.Split(sf.Tag.Get("bpf"), ",") {
			switch {
			case option == "rw":
				write = read
			case option == "-":
				read, write = Access{}, Access{}
			case pointers[option].value != Scalar:
				ref = option
			case n == 0 && option != "":
				name = option
			case option != "":
				return 0, 0, fmt.Errorf("field %s%s: unknown option %q in its tag", prefix, sf.Name, option)
			}
		}
		size, a, err := sizeOf(sf.Type)
		if err != nil {
			return 0, 0, fmt.Errorf("field %s%s: %w", prefix, sf.Name, err)
		}
		align, off = max(align, a), start+roundUp(off-start, a)
		f := Field{Name: prefix + name, Off: off, Size: size, Read: read, Write: write}
		switch kind := sf.Type.Kind(); {
		case ref != "" && kind != reflect.Uint32 && kind != reflect.Uint64:
			return 0, 0, fmt.Errorf("field %s%s: an address is a uint32 or a uint64, not %s", prefix, sf.Name, sf.Type)
		case ref != "":
			f.Value, f.From = pointers[ref].value, pointers[ref].from
			f.Read, f.Write = Access{Sizes: Sizes(size)}, Access{}
			l.Fields = append(l.Fields, f)
		case kind == reflect.Struct:
			if _, _, err := l.add(sf.Type, off, prefix+name+".", read, write); err != nil {
				return 0, 0, err
			}
		case size > 0:
			l.Fields = append(l.Fields, f)
		}
		off += size
	}
	return off, max(align, 1), nil
}

// sizeOf returns the size and alignment of a type as C has it.
func sizeOf(t reflect.Type) (size, align int, err error) {
	switch t.Kind() {
	case reflect.Bool, reflect.Int8, reflect.Uint8, reflect.Int16, reflect.Uint16, reflect.Int32, reflect.Uint32, reflect.Int64, reflect.Uint64:
		return int(t.Size()), int(t.Size()), nil
	case reflect.Array:
		size, align, err = sizeOf(t.Elem())
		if n := t.Len(); size > 0 && n > maxStruct/size {
			return 0, 0, fmt.Errorf("%s has more than %d bytes", t, maxStruct)
		}
		return size * t.Len(), align, err
	case reflect.Struct:
		for i := range t.NumField() {
			n, a, err := sizeOf(t.Field(i).Type)
			if err != nil {
				return 0, 0, fmt.Errorf("%s: %w", t.Field(i).Name, err)
			}
			size, align = roundUp(size, a)+n, max(align, a)
		}
		return roundUp(size, align), max(align, 1), nil
	}
	return 0, 0, fmt.Errorf("a context cannot have a %s", t)
}

// snake turns a Go name into one as C programs have it: IfIndex becomes if_index.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(rune(name[i-1])) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Encode returns the bytes of a context that a struct declares, or a pointer to one: little endian.
func Encode(v any) ([]byte, error) {
	r := reflect.Indirect(reflect.ValueOf(v))
	if _, err := FromStruct(v); err != nil {
		return nil, err
	}
	size, _, _ := sizeOf(r.Type())
	out := make([]byte, size)
	visit(r, out, func(v reflect.Value, b []byte) {
		var n uint64
		switch {
		case v.Kind() == reflect.Bool && v.Bool():
			n = 1
		case v.CanInt():
			n = uint64(v.Int())
		case v.CanUint():
			n = v.Uint()
		}
		for i := range b {
			b[i] = byte(n >> (8 * i))
		}
	})
	return out, nil
}

// Decode is the reverse of Encode: it fills in the struct that v points to, the fields that Go lets it change.
func Decode(data []byte, v any) error {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Pointer || r.IsNil() {
		return fmt.Errorf("a context is decoded into what a pointer points to, not into a %T", v)
	}
	if _, err := FromStruct(v); err != nil {
		return err
	}
	if size, _, _ := sizeOf(r.Elem().Type()); len(data) != size {
		return fmt.Errorf("the context has %d bytes, and %s has %d", len(data), r.Elem().Type(), size)
	}
	visit(r.Elem(), data, func(v reflect.Value, b []byte) {
		var n uint64
		for i := range b {
			n |= uint64(b[i]) << (8 * i)
		}
		switch {
		case !v.CanSet():
		case v.Kind() == reflect.Bool:
			v.SetBool(n != 0)
		case v.CanInt():
			shift := 64 - 8*len(b)
			v.SetInt(int64(n<<shift) >> shift)
		default:
			v.SetUint(n)
		}
	})
	return nil
}

// visit calls f for each number in v, with its bytes among those of v.
func visit(v reflect.Value, data []byte, f func(v reflect.Value, b []byte)) {
	size, _, _ := sizeOf(v.Type())
	switch v.Kind() {
	case reflect.Array:
		for i := range v.Len() {
			n := size / v.Len()
			visit(v.Index(i), data[i*n:(i+1)*n], f)
		}
	case reflect.Struct:
		off := 0
		for i := range v.NumField() {
			n, align, _ := sizeOf(v.Field(i).Type())
			off = roundUp(off, align)
			visit(v.Field(i), data[off:off+n], f)
			off += n
		}
	default:
		f(v, data[:size])
	}
}

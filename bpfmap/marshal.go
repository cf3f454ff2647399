// Implements the conversion of Go values to the bytes of keys and values, and back.

package bpfmap

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"unsafe"
)

// marshal returns the bytes of v, which must be size of them. The result may be v's own memory or scratch,
// which has room for small values.
func marshal(v any, size int, scratch *[16]byte) ([]byte, error) {
	b := scratch[:0]
	switch x := v.(type) {
	case nil:
		if size == 0 {
			return nil, nil
		}
		return nil, errors.New("nil has no bytes")
	case []byte:
		b = x
	case string:
		b = unsafe.Slice(unsafe.StringData(x), len(x))
	case uint32:
		b = binary.LittleEndian.AppendUint32(b, x)
	case *uint32:
		if x != nil {
			b = binary.LittleEndian.AppendUint32(b, *x)
		}
	case uint64:
		b = binary.LittleEndian.AppendUint64(b, x)
	case *uint64:
		if x != nil {
			b = binary.LittleEndian.AppendUint64(b, *x)
		}
	case int32:
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	case int64:
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	case uint16:
		b = binary.LittleEndian.AppendUint16(b, x)
	case uint8:
		b = append(b, x)
	case encoding.BinaryMarshaler:
		if isNilPointer(v) {
			return nil, fmt.Errorf("%T is nil", v)
		}
		var err error
		if b, err = x.MarshalBinary(); err != nil {
			return nil, err
		}
	default:
		return marshalOther(v, size)
	}
	if len(b) != size {
		return nil, sizeError(v, len(b), size)
	}
	return b, nil
}

func sizeError(v any, have, want int) error {
	return fmt.Errorf("%T makes %d bytes, not the %d that are needed", v, have, want)
}

func marshalOther(v any, size int) ([]byte, error) {
	if isNilPointer(v) {
		return nil, fmt.Errorf("%T is nil", v)
	}
	if b := ownMemory(v); len(b) == size && size > 0 {
		return b, nil
	}
	b, err := binary.Append(nil, binary.LittleEndian, v)
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		return nil, sizeError(v, len(b), size)
	}
	return b, nil
}

// unmarshal stores bytes into the value that v refers to.
func unmarshal(v any, b []byte) error {
	switch x := v.(type) {
	case []byte:
		if len(x) != len(b) {
			return fmt.Errorf("a slice of %d bytes does not take %d", len(x), len(b))
		}
		copy(x, b)
		return nil
	case *[]byte:
		if x != nil {
			*x = append([]byte(nil), b...)
			return nil
		}
	case *string:
		if x != nil {
			*x = string(b)
			return nil
		}
	case *uint32:
		if x != nil && len(b) == 4 {
			*x = binary.LittleEndian.Uint32(b)
			return nil
		}
	case *uint64:
		if x != nil && len(b) == 8 {
			*x = binary.LittleEndian.Uint64(b)
			return nil
		}
	case encoding.BinaryUnmarshaler:
		if isNilPointer(v) {
			break
		}
		return x.UnmarshalBinary(bytes.Clone(b)) // a copy, so that b can be on the stack
	}
	if v == nil || isNilPointer(v) {
		return fmt.Errorf("%T is nil, nothing can be stored there", v)
	}
	if own := ownMemory(v); len(own) == len(b) {
		copy(own, b)
		return nil
	}
	if binary.Size(v) >= 0 {
		if field := unexported(reflect.TypeOf(v)); field != "" {
			return fmt.Errorf("%T: the field %s is not exported, nothing can be stored there", v, field)
		}
	}
	n, err := binary.Decode(bytes.Clone(b), binary.LittleEndian, v)
	switch {
	case err != nil && binary.Size(v) > len(b):
		return fmt.Errorf("%T takes %d bytes, and there are %d", v, binary.Size(v), len(b))
	case err != nil:
		return err
	case n != len(b):
		return fmt.Errorf("%T takes %d bytes of %d", v, n, len(b))
	}
	return nil
}

func isNilPointer(v any) bool {
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}

// plainTypes remembers of each type whether its memory is what encoding/binary would write: fixed-size fields
// without gaps, all of them exported or blank.
var plainTypes sync.Map // reflect.Type to bool

func plain(t reflect.Type) bool {
	if known, ok := plainTypes.Load(t); ok {
		return known.(bool)
	}
	p := isPlain(t)
	plainTypes.Store(t, p)
	return p
}

func isPlain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool:
		return false // a byte other than 0 and 1 would not be a bool
	case reflect.Int8, reflect.Uint8:
		return true
	case reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return littleHost
	case reflect.Array:
		return plain(t.Elem())
	case reflect.Struct:
		end := uintptr(0)
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() && f.Name != "_" || f.Offset != end || !plain(f.Type) {
				return false
			}
			end += f.Type.Size()
		}
		return end == t.Size()
	}
	return false
}

// unexported returns the name of a field in t that cannot be stored to, "" if there is none. t must be a type of
// fixed size, or a pointer to or slice of one.
func unexported(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return unexported(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() && f.Name != "_" {
				return f.Name
			}
			if name := unexported(f.Type); name != "" {
				return f.Name + "." + name
			}
		}
	}
	return ""
}

// ownMemory returns the memory that a pointer or slice refers to, if its bytes are those of the values, else
// nil.
func ownMemory(v any) []byte {
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && !r.IsNil() {
		if r.Type().Elem().Kind() != reflect.Slice {
			if !plain(r.Type().Elem()) {
				return nil
			}
			return unsafe.Slice((*byte)(r.UnsafePointer()), r.Type().Elem().Size())
		}
		r = r.Elem()
	}
	if r.Kind() != reflect.Slice || r.Len() == 0 || !plain(r.Type().Elem()) {
		return nil
	}
	return unsafe.Slice((*byte)(r.UnsafePointer()), uintptr(r.Len())*r.Type().Elem().Size())
}

// marshalPerCPU returns the bytes of a slice of values, one a CPU; missing ones are zero.
func marshalPerCPU(v any, size, cpus int) ([]byte, error) {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice {
		return nil, fmt.Errorf("the value of a per-CPU map is a slice, one value for each CPU, not %T", v)
	}
	if r.Len() > cpus {
		return nil, fmt.Errorf("%d values for %d CPUs", r.Len(), cpus)
	}
	step := int(round8(uint32(size)))
	out := make([]byte, step*cpus)
	if own := ownMemory(v); len(own) == r.Len()*size && r.Type().Elem().Size() == uintptr(size) {
		for i := range r.Len() {
			copy(out[i*step:], own[i*size:(i+1)*size])
		}
		return out, nil
	}
	for i := range r.Len() {
		var scratch [16]byte
		b, err := marshal(r.Index(i).Interface(), size, &scratch)
		if err != nil {
			return nil, fmt.Errorf("CPU %d: %w", i, err)
		}
		copy(out[i*step:], b)
	}
	return out, nil
}

// unmarshalPerCPU stores the values of all CPUs into a slice of the right length, or into a new slice if v is
// a pointer to one.
func unmarshalPerCPU(v any, size, cpus int, b []byte) error {
	if v == nil || isNilPointer(v) {
		return fmt.Errorf("%T is nil, nothing can be stored there", v)
	}
	r := reflect.ValueOf(v)
	if r.Kind() == reflect.Pointer && r.Elem().Kind() == reflect.Slice {
		s := reflect.MakeSlice(r.Type().Elem(), cpus, cpus)
		r.Elem().Set(s)
		if e := s.Type().Elem(); e.Kind() == reflect.Pointer {
			for i := range cpus {
				s.Index(i).Set(reflect.New(e.Elem()))
			}
		}
		r = s
	}
	if r.Kind() != reflect.Slice {
		return fmt.Errorf("the values of a per-CPU map go into a slice, one for each CPU, or a pointer to one, not %T", v)
	}
	if r.Len() != cpus {
		return fmt.Errorf("a slice of %d values does not take those of %d CPUs", r.Len(), cpus)
	}
	step := int(round8(uint32(size)))
	if own := ownMemory(r.Interface()); len(own) == cpus*size && r.Type().Elem().Size() == uintptr(size) {
		for i := range cpus {
			copy(own[i*size:(i+1)*size], b[i*step:])
		}
		return nil
	}
	for i := range cpus {
		to := r.Index(i)
		if to.Kind() != reflect.Pointer && to.Kind() != reflect.Slice {
			to = to.Addr()
		} else if to.IsNil() {
			to = to.Addr() // a slice of bytes is made, a pointer refused
		}
		if err := unmarshal(to.Interface(), b[i*step:i*step+size]); err != nil {
			return fmt.Errorf("CPU %d: %w", i, err)
		}
	}
	return nil
}

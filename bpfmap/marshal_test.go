// Implements the tests of Go values as keys and values: the bytes are those that cilium/ebpf gives the kernel.

package bpfmap_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

type (
	padded struct {
		A uint8
		B uint32
	}
	packed struct {
		A uint32
		B [2]uint16
		_ uint32
		C int64
	}
	hidden struct {
		A uint32
		b uint32
	}
	custom struct{ text string }
	named  uint32
)

func (c custom) MarshalBinary() ([]byte, error) {
	if c.text == "" {
		return nil, errors.New("no text")
	}
	return []byte(c.text), nil
}

func (c *custom) UnmarshalBinary(b []byte) error { c.text = string(b); return nil }

// goValues are values as users write them, with the size of the map's values.
var goValues = []struct {
	size uint32
	v    any
}{
	{1, uint8(7)}, {1, int8(-7)}, {2, uint16(700)}, {2, int16(-700)}, {4, uint32(70000)}, {4, int32(-7)}, {8, uint64(1 << 40)}, {8, int64(-1)},
	{4, float32(1.5)}, {8, float64(-2)}, {1, true}, {4, named(9)}, {4, "text"}, {4, []byte("byte")}, {4, [4]byte{1, 2, 3, 4}}, {8, [2]uint32{1, 2}},
	{8, []uint32{1, 2}}, {5, padded{1, 2}}, {8, padded{1, 2}}, {20, packed{A: 1, B: [2]uint16{2, 3}, C: -4}}, {24, packed{A: 1}},
	{8, hidden{1, 2}}, {4, custom{"text"}}, {5, custom{"text"}}, {4, custom{}}, {4, nil}, {4, uint64(1)}, {8, uint32(1)}, {8, int(1)},
	{8, map[int]int{}}, {4, func() {}}, {8, struct{ P *int }{}}, {4, struct{}{}}, {4, [0]byte{}}, {4, make(chan int)}, {8, [2]bool{true, false}},
	{4, (*uint32)(nil)}, {8, (*uint64)(nil)}, {4, (*padded)(nil)},
	{4, []byte(nil)}, {4, []uint32(nil)}, {4, []uint32{}}, {16, [][2]uint32{{1, 2}, {3, 4}}}, {10, []padded{{1, 2}, {3, 4}}}, {8, "nul\x00pads"},
}

// pointer returns a pointer to a copy of v.
func pointer(v any) any {
	if v == nil {
		return nil
	}
	p := reflect.New(reflect.TypeOf(v))
	p.Elem().Set(reflect.ValueOf(v))
	return p.Interface()
}

// try calls f, and makes a panic an error: some values make the other side panic.
func try(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return f()
}

// TestGoValues stores and reads values of many types here and in the kernel.
func TestGoValues(t *testing.T) {
	for _, c := range goValues {
		for _, v := range []any{c.v, pointer(c.v)} {
			def := spec.Map{Type: spec.Array, KeySize: 4, ValueSize: c.size, MaxEntries: 1}
			m := mustNew(t, def, nil)
			k, err := maptest.NewKernel(t, &def)
			if err != nil {
				t.Fatal(err)
			}
			got, want := m.Put(uint32(0), v), try(func() error { return k.Put(uint32(0), v) })
			if (got == nil) != (want == nil) {
				t.Errorf("%d bytes from %T: got %v, want %v", c.size, v, got, want)
				continue
			}
			a, _ := m.LookupBytes(uint32(0))
			b, _ := k.LookupBytes(uint32(0))
			if !bytes.Equal(a, b) {
				t.Errorf("%d bytes from %T: got %x, want %x", c.size, v, a, b)
			}
		}
		compareReading(t, c.size, c.v)
	}
}

// compareReading reads into a new value of v's type, and into v itself.
func compareReading(t *testing.T, size uint32, v any) {
	t.Helper()
	if v == nil {
		return
	}
	def := spec.Map{Type: spec.Array, KeySize: 4, ValueSize: size, MaxEntries: 1}
	m := mustNew(t, def, nil)
	k, err := maptest.NewKernel(t, &def)
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i % 2) // so that it is good for bool as well
	}
	if err := errors.Join(m.Put(uint32(0), content), k.Put(uint32(0), content)); err != nil {
		t.Fatal(err)
	}
	a, b := reflect.New(reflect.TypeOf(v)), reflect.New(reflect.TypeOf(v))
	if reflect.TypeOf(v).Kind() == reflect.Slice && reflect.TypeOf(v) != reflect.TypeFor[[]byte]() {
		n := reflect.ValueOf(v).Len()
		a.Elem().Set(reflect.MakeSlice(reflect.TypeOf(v), n, n))
		b.Elem().Set(reflect.MakeSlice(reflect.TypeOf(v), n, n))
	}
	got, want := m.Lookup(uint32(0), a.Interface()), try(func() error { return k.Lookup(uint32(0), b.Interface()) })
	if (got == nil) != (want == nil) || got == nil && !reflect.DeepEqual(a.Elem().Interface(), b.Elem().Interface()) {
		t.Errorf("%d bytes into %v: got %+v (%v), want %+v (%v)", size, a.Type(), a.Elem(), got, b.Elem(), want)
	}
}

// TestNothingToStoreTo checks targets that take no value.
func TestNothingToStoreTo(t *testing.T) {
	m := mustNew(t, spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1}, nil)
	if err := m.Put(uint32(1), uint32(1)); err != nil {
		t.Fatal(err)
	}
	for _, out := range []any{nil, uint32(0), (*uint32)(nil), (*[]byte)(nil), (*string)(nil), (*custom)(nil), []byte{1}, make([]byte, 5), new(uint64), new(int), new(chan int)} {
		if err := m.Lookup(uint32(1), out); err == nil {
			t.Errorf("%T took a value", out)
		}
	}
	per := mustNew(t, spec.Map{Type: spec.PerCPUArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}, &bpfmap.Options{CPUs: 2})
	for _, v := range []any{nil, uint32(1), []uint32{1, 2, 3}, []uint64{1}, (*[]uint32)(nil)} {
		if err := per.Put(uint32(0), v); err == nil {
			t.Errorf("%T was taken for a value of each CPU", v)
		}
		if err := per.Lookup(uint32(0), v); err == nil {
			t.Errorf("%T took the values of all CPUs", v)
		}
	}
	for _, v := range []any{new([]uint32), make([]uint32, 2), new([]*uint32), []*uint32{new(uint32), new(uint32)}, new([][4]byte), new([][]byte)} {
		if err := per.Lookup(uint32(0), v); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
}

// TestErrors checks that errors are those of cilium/ebpf.
func TestErrors(t *testing.T) {
	m := mustNew(t, spec.Map{Name: "m", Type: spec.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1}, nil)
	var v uint32
	for _, c := range []struct {
		err  error
		want error
	}{
		{m.Lookup(uint32(1), &v), ebpf.ErrKeyNotExist},
		{m.Delete(uint32(1)), ebpf.ErrKeyNotExist},
		{m.NextKey(nil, &v), ebpf.ErrKeyNotExist},
		{m.Update(uint32(1), v, ebpf.UpdateExist), ebpf.ErrKeyNotExist},
		{m.Put(uint32(1), v), nil},
		{m.Update(uint32(1), v, ebpf.UpdateNoExist), ebpf.ErrKeyExist},
		{m.Put(uint32(2), v), bpfmap.E2BIG},
		{m.Freeze(), nil},
		{m.Put(uint32(1), v), bpfmap.EPERM},
		{m.Freeze(), bpfmap.EBUSY},
		{m.Lookup(uint32(1), &v), nil},
		{m.LookupAndDelete(uint32(1), &v), bpfmap.EPERM},
		{mustNew(t, spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}, nil).LookupAndDelete(uint32(0), &v), ebpf.ErrNotSupported},
	} {
		if !errors.Is(c.err, c.want) || (c.err == nil) != (c.want == nil) {
			t.Errorf("got %v, want %v", c.err, c.want)
		}
	}
	if e := m.UpdateElem(binary.LittleEndian.AppendUint32(nil, 1), make([]byte, 4), 0, 0); e != 0 {
		t.Errorf("a program cannot write to a map that is frozen for Go code: %v", e)
	}
}

// Implements operations on maps and what comes of them, the same for every kind of map.

package maptest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Kind is a kind of operation.
type Kind int

// The kinds.
const (
	Update Kind = iota
	Lookup
	Delete
	LookupAndDelete
	NextKey
	BatchUpdate
	BatchLookup
	BatchDelete
	BatchLookupAndDelete
	All
	kinds
)

var kindNames = [...]string{"update", "lookup", "delete", "lookup-and-delete", "next-key", "batch-update", "batch-lookup", "batch-delete",
	"batch-lookup-and-delete", "all"}

// Op is an operation.
type Op struct {
	Kind  Kind
	Key   []byte
	Value []byte
	Flags uint64
	Keys  [][]byte // of batches
	Size  int      // of batches: room for results
}

// String shows the operation for messages.
func (o Op) String() string {
	if o.Kind >= BatchUpdate {
		return fmt.Sprintf("%s %x value %x flags %#x size %d", kindNames[o.Kind], o.Keys, o.Value, o.Flags, o.Size)
	}
	return fmt.Sprintf("%s %x value %x flags %#x", kindNames[o.Kind], o.Key, o.Value, o.Flags)
}

// Def is a definition under test, and what has to be known about its type.
type Def struct {
	spec.Map
	CPUs   int
	Keys   [][]byte // that operations use
	Values [][]byte // likewise; nil for random ones
}

func perCPU(t spec.MapType) bool {
	return t == spec.PerCPUArray || t == spec.PerCPUHash || t == spec.LRUPerCPUHash
}

// ordered reports whether the order of keys is the kernel's.
func ordered(t spec.MapType) bool {
	switch t {
	case spec.Hash, spec.PerCPUHash, spec.LRUHash, spec.LRUPerCPUHash, spec.HashOfMaps, spec.DevmapHash, spec.Sockhash:
		return false
	}
	return true
}

// Errno returns the error number in an error of either kind of map, -1 for errors that have none.
func Errno(err error) int {
	var e bpfmap.Errno
	var s syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return int(e)
	case errors.As(err, &s):
		return int(s)
	case errors.Is(err, ebpf.ErrKeyNotExist):
		return int(bpfmap.ENOENT)
	case errors.Is(err, ebpf.ErrNotSupported):
		return int(bpfmap.ENOTSUPP)
	}
	return -1
}

// Apply does an operation and tells the result as text that is the same for maps that do the same.
func (d *Def) Apply(m bpfmap.Map, o Op) string {
	switch o.Kind {
	case Update:
		return d.result(m.Update(d.key(o.Key), d.value(o.Value), ebpf.MapUpdateFlags(o.Flags)), nil)
	case Delete:
		return d.result(m.Delete(d.key(o.Key)), nil)
	case Lookup, LookupAndDelete:
		out, get := d.out(o.Value)
		if o.Kind == Lookup {
			return d.result(m.Lookup(d.key(o.Key), out), get)
		}
		return d.result(m.LookupAndDelete(d.key(o.Key), out), get)
	case NextKey:
		return d.nextKey(m, o)
	case BatchUpdate:
		n, err := m.BatchUpdate(d.keySlice(o.Keys), d.values(o), &ebpf.BatchOptions{ElemFlags: o.Flags})
		return d.changed(o, n, err)
	case BatchDelete:
		n, err := m.BatchDelete(d.keySlice(o.Keys), nil)
		return d.changed(o, n, err)
	case BatchLookup, BatchLookupAndDelete:
		return d.batchLookup(m, o)
	}
	return d.Contents(m)
}

func (d *Def) key(k []byte) any {
	if d.KeySize == 0 {
		return nil
	}
	return k
}

// value returns the value for an update: per-CPU maps get another one for each CPU.
func (d *Def) value(v []byte) any {
	if !perCPU(d.Type) {
		return v
	}
	return d.spread(v)
}

func (d *Def) spread(v []byte) (out [][]byte) {
	for cpu := range d.CPUs {
		one := bytes.Clone(v)
		one[0] += byte(cpu)
		out = append(out, one)
	}
	return out
}

// out returns what a look-up writes to, and a function that tells what is in it.
func (d *Def) out(v []byte) (any, func() string) {
	if perCPU(d.Type) {
		out := new([][]byte)
		return out, func() string { return fmt.Sprintf("%x", *out) }
	}
	b := bytes.Clone(v)
	return b, func() string { return fmt.Sprintf("%x", b) }
}

func (d *Def) result(err error, get func() string) string {
	if err != nil {
		return fmt.Sprint("error ", Errno(err))
	}
	if get == nil {
		return "ok"
	}
	return get()
}

func (d *Def) nextKey(m bpfmap.Map, o Op) string {
	var from any
	if o.Key != nil && d.KeySize > 0 {
		from = o.Key
	}
	out := make([]byte, d.KeySize)
	err := m.NextKey(from, out)
	if err == nil && !ordered(d.Type) {
		return "some key, or the end"
	}
	if Errno(err) == int(bpfmap.ENOENT) && !ordered(d.Type) {
		return "some key, or the end"
	}
	return d.result(err, func() string { return fmt.Sprintf("%x", out) })
}

func (d *Def) keySlice(keys [][]byte) any { return blobs(slices.Concat(keys...), int(d.KeySize)) }

// values returns as many values as there are keys, all different.
func (d *Def) values(o Op) any {
	var flat []byte
	var perCPUs [][]byte
	for i := range o.Keys {
		v := bytes.Clone(o.Value)
		v[0] += byte(i)
		flat = append(flat, v...)
		perCPUs = append(perCPUs, d.spread(v)...)
	}
	if perCPU(d.Type) {
		return perCPUs
	}
	return blobs(flat, int(d.ValueSize))
}

// blobs cuts bytes into a slice of arrays of one size.
func blobs(b []byte, size int) any {
	t := reflect.ArrayOf(size, reflect.TypeFor[byte]())
	out := reflect.MakeSlice(reflect.SliceOf(t), len(b)/size, len(b)/size)
	for i := range out.Len() {
		reflect.Copy(out.Index(i), reflect.ValueOf(b[i*size:(i+1)*size]))
	}
	return out.Interface()
}

// unblobs returns the bytes of the first n elements of a slice that blobs made.
func unblobs(v any, n int) (out [][]byte) {
	r := reflect.ValueOf(v)
	for i := range n {
		b := make([]byte, r.Type().Elem().Len())
		reflect.Copy(reflect.ValueOf(b), r.Index(i))
		out = append(out, b)
	}
	return out
}

func (d *Def) batchLookup(m bpfmap.Map, o Op) string {
	keys := blobs(make([]byte, o.Size*int(d.KeySize)), int(d.KeySize))
	var values any
	if perCPU(d.Type) {
		values = d.emptyValues(o.Size)
	} else {
		values = blobs(make([]byte, o.Size*int(d.ValueSize)), int(d.ValueSize))
	}
	var cursor bpfmap.MapBatchCursor
	var n int
	var err error
	if o.Kind == BatchLookup {
		n, err = m.BatchLookup(&cursor, keys, values, nil)
	} else {
		n, err = m.BatchLookupAndDelete(&cursor, keys, values, nil)
	}
	var lines []string
	for i, k := range unblobs(keys, n) {
		if perCPU(d.Type) {
			lines = append(lines, fmt.Sprintf("%x=%x", k, values.([][]byte)[i*d.CPUs:(i+1)*d.CPUs]))
		} else {
			lines = append(lines, fmt.Sprintf("%x=%x", k, unblobs(values, n)[i]))
		}
	}
	if !ordered(d.Type) {
		sort.Strings(lines)
	}
	return d.batchResult(n, err) + " " + strings.Join(lines, " ")
}

func (d *Def) emptyValues(n int) (out [][]byte) {
	for range n * d.CPUs {
		out = append(out, make([]byte, d.ValueSize))
	}
	return out
}

// changed is the result of a batch that changes elements. Where the kernel refuses the batch as a whole, the
// number is still that of the elements asked for, and means nothing.
func (d *Def) changed(o Op, n int, err error) string {
	if err != nil && n == len(o.Keys) {
		n = 0
	}
	return d.batchResult(n, err)
}

func (d *Def) batchResult(n int, err error) string {
	if err != nil {
		return fmt.Sprintf("%d, error %d", n, Errno(err))
	}
	return fmt.Sprint(n)
}

// Contents returns all elements, sorted where the order is not the kernel's.
func (d *Def) Contents(m bpfmap.Map) string {
	var lines []string
	if d.KeySize == 0 {
		return ""
	}
	for k, v := range m.All() {
		lines = append(lines, fmt.Sprintf("%x=%x", k, v))
	}
	if !ordered(d.Type) {
		sort.Strings(lines)
	}
	return strings.Join(lines, " ")
}

// Random returns a random operation.
func (d *Def) Random(r *rand.Rand) Op {
	o := Op{Kind: Kind(r.IntN(int(kinds))), Key: d.randomKey(r), Value: make([]byte, d.ValueSize)}
	for i := range o.Value {
		o.Value[i] = byte(r.IntN(256))
	}
	if d.Values != nil {
		o.Value = bytes.Clone(d.Values[r.IntN(len(d.Values))])
	}
	if r.IntN(3) == 0 {
		o.Kind = Update
	}
	o.Flags = []uint64{0, 0, 0, 1, 2, 1, 2, 3, 4, 8}[r.IntN(10)]
	switch o.Kind {
	case NextKey:
		if r.IntN(4) == 0 {
			o.Key = nil
		}
	case BatchUpdate, BatchDelete:
		if o.Flags > 2 {
			o.Flags = 0
		}
		for range 1 + r.IntN(6) {
			o.Keys = append(o.Keys, d.randomKey(r))
		}
	case BatchLookup, BatchLookupAndDelete:
		o.Size = len(d.Keys) + 200
	}
	if o.Kind >= BatchUpdate && o.Kind <= BatchLookupAndDelete && d.KeySize == 0 {
		o.Kind = Lookup
	}
	return o
}

func (d *Def) randomKey(r *rand.Rand) []byte {
	if d.KeySize == 0 {
		return nil
	}
	return d.Keys[r.IntN(len(d.Keys))]
}

// Implements snapshots of maps, for tests: take one, compare two, go back.

package bpfmap

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Snapshot is what a map held at some time. It does not change.
type Snapshot struct {
	Entries []Entry // sorted by key; of maps without keys in the order they would be read
}

// Entry is an element of a snapshot.
type Entry struct {
	Key    []byte
	Value  []byte // of per-CPU maps of all CPUs, each rounded up to 8 bytes
	Object any    // of maps that hold Go values, instead of Value
}

// Change is a difference between two snapshots.
type Change struct {
	Key      []byte
	Old, New *Entry // nil where the key is not there
}

// String shows the change in one line of hex, - before what was there and + before what is there now.
func (c Change) String() string {
	var parts []string
	for i, e := range []*Entry{c.Old, c.New} {
		switch {
		case e == nil:
		case e.Object != nil:
			parts = append(parts, fmt.Sprintf("%c%v", "-+"[i], e.Object))
		default:
			parts = append(parts, fmt.Sprintf("%c%x", "-+"[i], e.Value))
		}
	}
	return fmt.Sprintf("%x: %s", c.Key, strings.Join(parts, " "))
}

// snapshotter is an impl without keys that can be read and filled as a whole.
type snapshotter interface {
	contents() [][]byte
	restore([][]byte) Errno
}

// Snapshot returns what the map holds. If others change the map meanwhile, each element is from some moment
// of the call. Ring buffers and event arrays give an empty snapshot.
func (m *Local) Snapshot() *Snapshot {
	s := &Snapshot{}
	if x, ok := m.impl.(snapshotter); ok {
		for _, v := range x.contents() {
			s.Entries = append(s.Entries, Entry{Value: v})
		}
		return s
	}
	if m.def.KeySize == 0 {
		return s
	}
	var key []byte
	for n := uint64(0); n <= uint64(m.iterationLimit()); n++ {
		next := make([]byte, m.def.KeySize)
		if m.impl.next(key, next) != 0 {
			break
		}
		key = next
		if e, ok := m.entry(key); ok {
			s.Entries = append(s.Entries, e)
		}
	}
	slices.SortFunc(s.Entries, func(a, b Entry) int { return bytes.Compare(a.Key, b.Key) })
	return s
}

func (m *Local) entry(key []byte) (Entry, bool) {
	if m.objects != nil {
		o := m.objects.held(key)
		if o == nil {
			return Entry{}, false
		}
		return Entry{Key: key, Object: o.v}, true
	}
	v := make([]byte, m.full)
	return Entry{Key: key, Value: v}, m.impl.read(key, v, 0) == 0
}

// Diff returns what changed from s to other, sorted by key. Elements without keys are told by their place,
// a 4-byte number.
func (s *Snapshot) Diff(other *Snapshot) []Change {
	var out []Change
	a, b := keyed(s.Entries), keyed(other.Entries)
	for len(a) > 0 || len(b) > 0 {
		order := 0
		switch {
		case len(a) == 0:
			order = 1
		case len(b) == 0:
			order = -1
		default:
			order = bytes.Compare(a[0].Key, b[0].Key)
		}
		switch {
		case order < 0:
			out = append(out, Change{Key: a[0].Key, Old: &a[0]})
			a = a[1:]
		case order > 0:
			out = append(out, Change{Key: b[0].Key, New: &b[0]})
			b = b[1:]
		default:
			if !bytes.Equal(a[0].Value, b[0].Value) || !sameObject(a[0].Object, b[0].Object) {
				out = append(out, Change{Key: a[0].Key, Old: &a[0], New: &b[0]})
			}
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// sameObject compares objects; those that cannot be compared are never the same.
func sameObject(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// keyed gives entries without keys their place as a key, in big endian so that they stay sorted.
func keyed(entries []Entry) []Entry {
	out := slices.Clone(entries)
	for i := range out {
		if out[i].Key == nil {
			out[i].Key = []byte{byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
		}
	}
	return out
}

// Restore makes the map hold what it held when the snapshot was taken. What can neither be deleted nor written
// stays. An error names the first element that could not be restored. A map that is frozen and holds something else
// gives EPERM: programs may have been proved safe with what it holds.
func (m *Local) Restore(s *Snapshot) error {
	if x, ok := m.impl.(snapshotter); ok {
		var values [][]byte
		for _, e := range s.Entries {
			values = append(values, e.Value)
		}
		return errorOf("restore", x.restore(values))
	}
	changes := m.Snapshot().Diff(s)
	if len(changes) > 0 && m.frozen.Load() {
		return errorOf("restore", EPERM)
	}
	for _, c := range changes { // first make room
		if c.New == nil {
			if e := m.impl.remove(c.Key); e != 0 && e != ENOENT {
				return fmt.Errorf("restore: key %x: %w", c.Key, e)
			}
		}
	}
	for _, c := range changes {
		var e Errno
		switch {
		case c.New == nil:
		case m.objects != nil:
			e = m.objects.put(c.Key, c.New.Object, 0)
		default:
			e = m.impl.update(c.Key, c.New.Value, 0, allCPUs)
		}
		if e != 0 {
			return fmt.Errorf("restore: key %x: %w", c.Key, e)
		}
	}
	return nil
}

// Implements the use of a map from many goroutines at once.

package maptest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

func updateFlags(o Op) ebpf.MapUpdateFlags { return ebpf.MapUpdateFlags(o.Flags) }

// Concurrent does random operations on one map from many goroutines, as Go code and as programs do them, and
// then checks that the map still holds exactly as many elements as it should. Run it with the race detector.
//
// Values of hash maps that Go code reads must be of one piece: all words of a value say the same.
func Concurrent(t *testing.T, d *Def, steps int) {
	t.Helper()
	d.CPUs = 2
	m, err := bpfmap.New(&d.Map, &bpfmap.Options{CPUs: d.CPUs})
	if err != nil {
		t.Fatal(err)
	}
	d.ConcurrentOn(t, m, steps)
}

// ConcurrentOn is Concurrent on a map that is there, with others that use it at the same time, each in a
// goroutine of its own: the loops of programs. It calls each of them steps times.
func (d *Def) ConcurrentOn(t *testing.T, m *bpfmap.Local, steps int, others ...func(r *rand.Rand)) {
	t.Helper()
	var wg sync.WaitGroup
	for i, other := range others {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 8))
			for range steps {
				other(r)
			}
		})
	}
	for who := range 6 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(who), 7))
			for range steps {
				o := d.Random(r)
				if len(o.Value) > 0 && who < 4 {
					for i := range o.Value {
						o.Value[i] = o.Value[0]
					}
				}
				switch {
				case who%2 == 0:
					if who == 4 && r.IntN(50) == 0 {
						s := m.Snapshot()
						s.Diff(m.Snapshot())
					}
					d.Apply(m, o)
				default:
					d.asProgram(m, o, r)
				}
			}
		})
	}
	wg.Wait()
	d.CheckWhole(t, m)
}

// asProgram does what programs do.
func (d *Def) asProgram(m *bpfmap.Local, o Op, r *rand.Rand) {
	cpu := r.IntN(d.CPUs)
	if o.Key == nil {
		o.Key = d.randomKey(r)
	}
	switch {
	case d.KeySize == 0 && o.Kind == Update:
		m.Push(o.Value, o.Flags&3)
	case d.KeySize == 0 && o.Kind == Delete:
		m.Pop(o.Value)
	case d.KeySize == 0:
		m.Peek(o.Value)
	case o.Kind == Update:
		m.UpdateElem(o.Key, o.Value, o.Flags, cpu)
	case o.Kind == Delete:
		m.DeleteElem(o.Key)
	case o.Kind == All:
		m.ForEach(cpu, func(key []byte, off int) bool {
			m.LookupOffset(key, cpu)
			return r.IntN(10) == 0
		})
	default:
		m.LookupOffset(o.Key, cpu)
		m.Inner(append([]byte(nil), o.Key...))
		if len(o.Key) >= 4 {
			m.Program(binary.LittleEndian.Uint32(o.Key))
		}
	}
}

// CheckWhole checks a map that nobody uses: iteration and look-up agree, it can be emptied, and filled up to
// max_entries and not further, twice.
func (d *Def) CheckWhole(t *testing.T, m *bpfmap.Local) {
	t.Helper()
	if d.Flags&(1<<3|1<<4) != 0 {
		return // Go code cannot look, or not change anything
	}
	seen := map[string]bool{}
	for k := range m.All() {
		if seen[string(k)] {
			t.Errorf("the iteration comes to key %x twice", k)
		}
		seen[string(k)] = true
		if v, err := m.LookupBytes(k); v == nil {
			t.Errorf("the iteration comes to key %x, which is not there: %v", k, err)
		}
	}
	for _, k := range d.Keys {
		v, err := m.LookupBytes(k)
		if exact(d.Type) && (v != nil) != seen[string(k)] {
			t.Errorf("key %x: found %v (%v), iterated %v", k, v != nil, err, seen[string(k)])
		}
	}
	if !emptiable(d.Type) {
		return
	}
	for k := range seen {
		if err := m.Delete([]byte(k)); err != nil {
			t.Errorf("delete %x: %v", k, err)
		}
	}
	for round := range 2 {
		d.fill(t, m, round)
	}
}

// fill fills an empty map to the brim and empties it.
func (d *Def) fill(t *testing.T, m *bpfmap.Local, round int) {
	n, most := 0, int(d.MaxEntries)
	value := d.value(make([]byte, d.ValueSize))
	for i := range most + 1 {
		key := d.manyKeys(i)
		err := m.Put(key, value)
		switch {
		case err == nil:
			n++
		case i < most:
			t.Fatalf("round %d: %d elements of %d: %v", round, n, most, err)
		}
	}
	lru := d.Type == spec.LRUHash || d.Type == spec.LRUPerCPUHash
	if n != most && !lru {
		t.Errorf("round %d: the map took %d elements of %d", round, n, most)
	}
	n = 0
	for k := range m.All() {
		n++
		if err := m.Delete(k); err != nil {
			t.Error(err)
		}
	}
	if n != most {
		t.Errorf("round %d: the iteration came to %d elements of %d", round, n, most)
	}
}

// manyKeys returns one of many keys.
func (d *Def) manyKeys(i int) []byte {
	if d.Type == spec.LPMTrie {
		return append(binary.LittleEndian.AppendUint32(nil, 8*(d.KeySize-4)), binary.LittleEndian.AppendUint32(make([]byte, d.KeySize-4)[:max(0, int(d.KeySize)-8)], uint32(i))...)[:d.KeySize]
	}
	k := make([]byte, max(d.KeySize, 4))
	binary.LittleEndian.PutUint32(k, uint32(i))
	return k[:d.KeySize]
}

// exact reports whether look-ups find exactly the keys that iterations come to.
func exact(t spec.MapType) bool {
	switch t {
	case spec.LPMTrie, spec.PerfEventArray, spec.CGroupArray, spec.XSKMap, spec.Sockmap, spec.Sockhash:
		return false
	}
	return true
}

func emptiable(t spec.MapType) bool {
	switch t {
	case spec.Hash, spec.PerCPUHash, spec.LRUHash, spec.LRUPerCPUHash, spec.LPMTrie:
		return true
	}
	return false
}

// OfOnePiece checks that values of a hash map that are read while they are replaced are old or new, never
// both. The map has values of 64 bytes.
func OfOnePiece(t *testing.T, m *bpfmap.Local, key []byte, rounds int) {
	t.Helper()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for who := range 2 {
		wg.Go(func() {
			for n := byte(who); ; n += 2 {
				select {
				case <-stop:
					return
				default:
				}
				v := make([]byte, 64)
				for i := range v {
					v[i] = n
				}
				if e := m.UpdateElem(key, v, 0, 0); e != 0 {
					panic(fmt.Sprint("update: ", e))
				}
			}
		})
	}
	for range rounds {
		var v [64]byte
		err := m.Lookup(key, &v)
		for _, b := range v {
			if err == nil && b != v[0] {
				t.Errorf("torn value %x", v)
				break
			}
		}
	}
	close(stop)
	wg.Wait()
}

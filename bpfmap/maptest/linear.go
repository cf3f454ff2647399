// Implements the check that operations that overlap in time come to what some order of them one after another
// would have come to.

package maptest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skepbpf/skep/bpfmap"
)

// event is an operation on one key with its result and when it began and ended.
type event struct {
	kind       Kind
	flags      uint64
	value      uint64 // written or read
	errno      int
	begin, end int64
	who        int
}

func (e event) String() string {
	return fmt.Sprintf("%d: [%d,%d] %s flags %d value %d errno %d", e.who, e.begin, e.end, kindNames[e.kind], e.flags, e.value, e.errno)
}

// register is the state of one key.
type register struct {
	there bool
	value uint64
}

// step does an operation on a register, and reports whether the result is what the event says.
func (r register) step(e event) (register, bool) {
	switch e.kind {
	case Lookup:
		if !r.there {
			return r, e.errno == int(bpfmap.ENOENT)
		}
		return r, e.errno == 0 && e.value == r.value
	case Update:
		switch {
		case r.there && e.flags == 1:
			return r, e.errno == int(bpfmap.EEXIST)
		case !r.there && e.flags == 2:
			return r, e.errno == int(bpfmap.ENOENT)
		}
		return register{true, e.value}, e.errno == 0
	case Delete:
		if !r.there {
			return r, e.errno == int(bpfmap.ENOENT)
		}
		return register{}, e.errno == 0
	case LookupAndDelete:
		if !r.there {
			return r, e.errno == int(bpfmap.ENOENT)
		}
		return register{}, e.errno == 0 && e.value == r.value
	}
	return r, false
}

// linearizable reports whether a history of at most 64 events of one key can be put in an order in which each
// event takes effect between its begin and its end. If evicts is set, the key may go away at any time.
func linearizable(start register, history []event, evicts bool) bool {
	type state struct {
		done uint64
		r    register
	}
	seen := map[state]bool{}
	var search func(state) bool
	search = func(s state) bool {
		if s.done == 1<<len(history)-1 {
			return true
		}
		if seen[s] {
			return false
		}
		seen[s] = true
		if evicts && s.r.there && search(state{s.done, register{}}) {
			return true
		}
		first := int64(1<<63 - 1) // what begins after the first end of those to come cannot be next
		for i, e := range history {
			if s.done>>i&1 == 0 {
				first = min(first, e.end)
			}
		}
		for i, e := range history {
			if s.done>>i&1 != 0 || e.begin > first {
				continue
			}
			if r, ok := s.r.step(e); ok && search(state{s.done | 1<<i, r}) {
				return true
			}
		}
		return false
	}
	return search(state{0, start})
}

// Linearizable runs short histories on a few keys of a map with 8-byte values and checks each of them. Every
// second goroutine uses the map as programs do. fixed says that keys are always there, as in arrays; evicts
// that they may go.
func Linearizable(t *testing.T, m *bpfmap.Local, keys [][]byte, rounds int, fixed, evicts bool) {
	t.Helper()
	for round := range rounds {
		histories := make([][]event, len(keys))
		starts := make([]register, len(keys))
		for i, k := range keys {
			starts[i] = state(m, k)
		}
		var clock atomic.Int64
		var mu sync.Mutex
		var wg sync.WaitGroup
		for who := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(who)))
				for n := range 8 {
					k := r.IntN(len(keys))
					e := event{kind: Kind(r.IntN(4)), who: who, value: uint64(round)<<16 | uint64(who)<<8 | uint64(n+1)}
					if fixed {
						e.kind %= 2
					} else if e.kind == Update {
						e.flags = uint64(r.IntN(3))
					}
					e.begin = clock.Add(1)
					do(m, keys[k], &e, who%2 == 1)
					e.end = clock.Add(1)
					mu.Lock()
					histories[k] = append(histories[k], e)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		for i, h := range histories {
			if !linearizable(starts[i], h, evicts) {
				slices.SortFunc(h, func(a, b event) int { return int(a.begin - b.begin) })
				var lines []string
				for _, e := range h {
					lines = append(lines, e.String())
				}
				t.Fatalf("round %d, key %x, from %+v: no order explains\n%s", round, keys[i], starts[i], strings.Join(lines, "\n"))
			}
		}
	}
}

func state(m *bpfmap.Local, key []byte) register {
	var v uint64
	err := m.Lookup(key, &v)
	return register{err == nil, v}
}

// do does the operation of e, as a program or as Go code, and notes the result.
func do(m *bpfmap.Local, key []byte, e *event, program bool) {
	switch {
	case e.kind == Lookup:
		e.errno = Errno(m.Lookup(key, &e.value))
	case e.kind == Update && program:
		e.errno = int(m.UpdateElem(key, binary.LittleEndian.AppendUint64(nil, e.value), e.flags, 0))
	case e.kind == Update:
		o := Op{Kind: Update, Flags: e.flags}
		e.errno = Errno(m.Update(key, &e.value, updateFlags(o)))
	case e.kind == Delete && program:
		e.errno = int(m.DeleteElem(key))
	case e.kind == Delete:
		e.errno = Errno(m.Delete(key))
	default:
		e.errno = Errno(m.LookupAndDelete(key, &e.value))
	}
}

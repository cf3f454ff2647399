package bpfmap_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

func newArena(t *testing.T, pages uint32) *bpfmap.Arena {
	t.Helper()
	m, err := bpfmap.New(&spec.Map{Type: spec.Arena, MaxEntries: pages, Flags: 1 << 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m.Arena()
}

// TestArenaPages allocates and frees at random and keeps books: no page is given out twice, and all hold zeros.
func TestArenaPages(t *testing.T) {
	const page, pages = 4096, 50
	a := newArena(t, pages)
	r := rand.New(rand.NewPCG(7, 7))
	owner := [pages]bool{}
	free := func(first, n int) bool {
		for i := first; i < first+n; i++ {
			if i >= pages || owner[i] {
				return false
			}
		}
		return true
	}
	longest := func(n int) bool { // is there room for n?
		for first := range pages {
			if free(first, n) {
				return true
			}
		}
		return false
	}
	set := func(first, n int, v bool) {
		for i := first; i < min(first+n, pages); i++ {
			owner[i] = v
		}
	}
	for step := range 20000 {
		first, n := r.IntN(pages), 1+r.IntN(6)
		at := a.Base() + uint64(first)*page
		switch r.IntN(5) {
		case 0, 1:
			ptr := a.Alloc(0, uint32(n))
			if (ptr != 0) != longest(n) {
				t.Fatalf("step %d: %d pages: %#x", step, n, ptr)
			}
			if ptr == 0 {
				break
			}
			first = int(ptr-a.Base()) / page
			if !free(first, n) {
				t.Fatalf("step %d: page %d was given out before", step, first)
			}
			b, err := a.Bytes(ptr, n*page)
			if err != nil || b[0]|b[n*page-1]|b[page/2] != 0 {
				t.Fatalf("step %d: %v", step, err)
			}
			b[0], b[n*page-1], b[page/2] = 1, 2, 3
			set(first, n, true)
		case 2:
			if got, want := a.Alloc(at, uint32(n)) == at, free(first, n); got != want {
				t.Fatalf("step %d: %d pages at %d: %v", step, n, first, got)
			} else if got {
				set(first, n, true)
			}
		case 3:
			want := bpfmap.Errno(0)
			if first+n > pages {
				want = bpfmap.EINVAL
			} else if !free(first, n) {
				want = bpfmap.EBUSY
			}
			if got := a.Reserve(at, uint32(n)); got != want {
				t.Fatalf("step %d: reserve %d at %d: %v, want %v", step, n, first, got, want)
			} else if got == 0 {
				set(first, n, true)
			}
		case 4:
			a.Free(at, uint32(n))
			set(first, n, false)
		}
	}
}

// TestArenaBounds asks for what is not there.
func TestArenaBounds(t *testing.T) {
	a := newArena(t, 3)
	for _, c := range []struct {
		ptr uint64
		n   int
	}{{0, 1}, {a.Base() - 1, 1}, {a.Base() + 3*4096, 1}, {a.Base(), 3*4096 + 1}, {a.Base(), -1}} {
		if _, err := a.Bytes(c.ptr, c.n); !errors.Is(err, bpfmap.EFAULT) {
			t.Errorf("%#x, %d: %v", c.ptr, c.n, err)
		}
	}
	if b, err := a.Bytes(1<<40|a.Base(), 3*4096); err != nil || len(b) != 3*4096 {
		t.Error(err) // the upper half is the host's address space's
	}
	for _, p := range []uint64{a.Alloc(0, 0), a.Alloc(0, 4), a.Alloc(a.Base()+1, 1), a.Alloc(a.Base()+2*4096, 2), a.Alloc(8, 1)} {
		if p != 0 {
			t.Errorf("%#x", p)
		}
	}
	if !a.Place(uint32(a.Base())) || a.Place(1<<30) {
		t.Error("an arena moves")
	}
}

// TestGroupStorage has values of control groups: by number and attach type, or by number alone.
func TestGroupStorage(t *testing.T) {
	for _, typ := range []spec.MapType{spec.CGroupStorage, spec.PerCPUCGroupStorage} {
		for _, size := range []uint32{8, 16} {
			m, err := bpfmap.New(&spec.Map{Type: typ, KeySize: size, ValueSize: 8}, &bpfmap.Options{CPUs: 2})
			if err != nil {
				t.Fatal(err)
			}
			a, ok1 := m.GroupStorage(7, 1, 0)
			b, ok2 := m.GroupStorage(7, 2, 0)
			again, ok3 := m.GroupStorage(7, 1, 0)
			if !ok1 || !ok2 || !ok3 || (a == b) != (size == 8) || again != a {
				t.Errorf("%s %d: %d %d %d", typ, size, a, b, again)
			}
			other, _ := m.GroupStorage(7, 1, 1)
			if (other == a) != (typ == spec.CGroupStorage) {
				t.Errorf("%s: CPU 1 has %d, CPU 0 %d", typ, other, a)
			}
			m.Memory()[a] = 9
			key := append([]byte{7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, 1, 2, 3, 4)[:size] // the last four mean nothing
			values := make([]uint64, 2)
			if typ == spec.CGroupStorage {
				err = m.Lookup(key, &values[0])
			} else {
				err = m.Lookup(key, values)
			}
			if err != nil || values[0] != 9 || values[1] != 0 {
				t.Errorf("%s: %v, %v", typ, values, err)
			}
			if err := m.Delete(key); !errors.Is(err, bpfmap.EINVAL) {
				t.Error(err)
			}
		}
	}
	if m, err := bpfmap.New(&spec.Map{Type: spec.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 1}, nil); err != nil {
		t.Error(err)
	} else if _, ok := m.GroupStorage(1, 1, 0); ok {
		t.Error("a hash map has a group's value")
	}
}

//go:build linux || darwin || freebsd || netbsd || openbsd

package execmem

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mustNew makes code memory that the test closes at its end, if not before.
func mustNew(t *testing.T, code []byte) *Code {
	t.Helper()
	c, err := New(code, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustClose(t, c) })
	return c
}

func mustClose(t *testing.T, codes ...*Code) {
	t.Helper()
	for _, c := range codes {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// wantArenas checks how many mappings there are.
func wantArenas(t *testing.T, want int) {
	t.Helper()
	if got := arenaCount(); got != want {
		t.Fatalf("%d arenas, expected %d", got, want)
	}
}

func arenaCount() int {
	mu.Lock()
	defer mu.Unlock()
	return len(arenas)
}

func TestSizes(t *testing.T) {
	tests := []struct{ size, pages int }{
		{1, 1}, {100, 1}, {pageSize - 1, 1}, {pageSize, 1}, {pageSize + 1, 2},
		{arenaSize - 1, arenaSize / pageSize}, {arenaSize, arenaSize / pageSize},
		{arenaSize + 1, arenaSize/pageSize + 1}, {5*arenaSize + 7, 5*arenaSize/pageSize + 1},
	}
	for _, test := range tests {
		code := bytes.Repeat([]byte{0x90}, test.size)
		c := mustNew(t, code)
		if got := len(c.mem) / pageSize; got != test.pages {
			t.Errorf("%d bytes: %d pages, expected %d", test.size, got, test.pages)
		}
		if c.Addr() == 0 || c.Addr()%uintptr(pageSize) != 0 {
			t.Errorf("%d bytes: address %#x", test.size, c.Addr())
		}
		code = append(code, bytes.Repeat([]byte{0xcc}, test.pages*pageSize-test.size)...)
		if !bytes.Equal(c.mem, code) {
			t.Errorf("%d bytes: the memory does not hold the code and traps", test.size)
		}
		wantArenas(t, 1)
		mustClose(t, c, c)
		wantArenas(t, 0)
	}
}

func TestNoCode(t *testing.T) {
	for _, code := range [][]byte{nil, {}} {
		if c, err := New(code, nil); c != nil || !errors.Is(err, unix.EINVAL) {
			t.Errorf("New(%#v) gives code: %v, error %v", code, c != nil, err)
		}
	}
	if err := new(Code).Close(); err != nil {
		t.Error(err)
	}
	wantArenas(t, 0)
}

// TestNoMemory asks for nearly half the address space until it is refused.
func TestNoMemory(t *testing.T) {
	var have []*Code
	var err error
	for err == nil && len(have) < 3 {
		var c *Code
		if c, err = reserve(math.MaxInt - pageSize); err == nil {
			have = append(have, c)
		}
	}
	if err == nil || !strings.HasPrefix(err.Error(), "memory for code: ") {
		t.Error(err)
	}
	wantArenas(t, len(have))
	mustClose(t, have...)
	mustClose(t, mustNew(t, []byte{1}))
	wantArenas(t, 0)
}

func TestFill(t *testing.T) {
	c, err := New([]byte{1, 2, 3}, func(code []byte, addr uintptr) {
		inner, err := New([]byte{5}, nil)
		if err != nil {
			t.Error(err)
			return
		}
		if addr == inner.Addr() {
			t.Error("two programs at one address")
		}
		mustClose(t, inner)
		if len(code) != 3 || cap(code) != 3 {
			t.Errorf("%d bytes of %d to fill", len(code), cap(code))
		}
		code[1] = 4
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.mem[:4]; !bytes.Equal(got, []byte{1, 4, 3, 0xcc}) {
		t.Errorf("code % x", got)
	}
	mustClose(t, c)
}

func TestFillPanics(t *testing.T) {
	stay := mustNew(t, []byte{1})
	var at uintptr
	func() {
		defer func() {
			if r := recover(); r != "fill" {
				t.Errorf("recovered %v", r)
			}
		}()
		New([]byte{2}, func(_ []byte, addr uintptr) {
			at = addr
			panic("fill")
		})
	}()
	c := mustNew(t, []byte{3})
	if c.Addr() != at || at == stay.Addr() {
		t.Errorf("code at %#x, expected the free page at %#x", c.Addr(), at)
	}
	mustClose(t, c, stay)
	wantArenas(t, 0)
}

// TestReuse frees every other page; small programs fit there, larger ones do not.
func TestReuse(t *testing.T) {
	pages := arenaSize / pageSize
	codes := make([]*Code, pages)
	for i := range codes {
		codes[i] = mustNew(t, bytes.Repeat([]byte{byte(i)}, pageSize))
	}
	wantArenas(t, 1)
	var freed []uintptr
	for i := 1; i < pages; i += 2 {
		freed = append(freed, codes[i].Addr())
		mustClose(t, codes[i])
	}
	for i, addr := range freed {
		c := mustNew(t, []byte{byte(i), 1})
		if c.Addr() != addr {
			t.Fatalf("program %d at %#x, expected the free page at %#x", i, c.Addr(), addr)
		}
		if want := append([]byte{byte(i), 1}, bytes.Repeat([]byte{0xcc}, pageSize-2)...); !bytes.Equal(c.mem, want) {
			t.Fatalf("program %d shows what was there before", i)
		}
		codes[2*i+1] = c
	}
	wantArenas(t, 1)
	for i := 0; i < pages; i += 2 {
		if !bytes.Equal(codes[i].mem, bytes.Repeat([]byte{byte(i)}, pageSize)) {
			t.Fatalf("program %d has changed", i)
		}
	}
	mustClose(t, codes[8], codes[10])
	two := mustNew(t, make([]byte, pageSize+1))
	wantArenas(t, 2)
	mustClose(t, codes[9])
	three := mustNew(t, make([]byte, 2*pageSize+1))
	if three.Addr() != codes[8].Addr() {
		t.Errorf("three pages at %#x, expected %#x", three.Addr(), codes[8].Addr())
	}
	mustClose(t, two)
	wantArenas(t, 1)
	mustClose(t, three)
	mustClose(t, codes...)
	wantArenas(t, 0)
}

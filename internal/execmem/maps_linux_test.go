package execmem

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// mapping is a line of /proc/self/maps.
type mapping struct {
	start, end uintptr
	perms      string
	named      bool
}

func readMaps(t *testing.T) (maps []mapping) {
	t.Helper()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var m mapping
		fields := strings.Fields(lines.Text())
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &m.start, &m.end, &m.perms); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		m.named = len(fields) > 5
		maps = append(maps, m)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return maps
}

// anonCode returns how many mappings hold code that is in no file, and their bytes. It finds memory that is
// writable and executable at once.
func anonCode(t *testing.T) (count int, size uintptr) {
	t.Helper()
	for _, m := range readMaps(t) {
		switch {
		case strings.Contains(m.perms, "wx"):
			t.Fatalf("%x-%x is %s", m.start, m.end, m.perms)
		case strings.Contains(m.perms, "x") && !m.named:
			count++
			size += m.end - m.start
		}
	}
	return count, size
}

// permsOf returns what the process can do with the memory at addr, "" if there is none.
func permsOf(t *testing.T, addr uintptr) string {
	t.Helper()
	for _, m := range readMaps(t) {
		if m.start <= addr && addr < m.end {
			return m.perms
		}
	}
	return ""
}

func TestFewMappings(t *testing.T) {
	const programs = 4000
	perArena := arenaSize / pageSize
	before := len(readMaps(t))
	codesBefore, sizeBefore := anonCode(t)
	codes := make([]*Code, programs)
	for i := range codes {
		codes[i] = mustNew(t, []byte{byte(i), byte(i >> 8)})
	}
	want := (programs + perArena - 1) / perArena
	wantArenas(t, want)
	// The system may join neighbours, and split what is left of the last one; Go may have mapped some of its own.
	if more := len(readMaps(t)) - before; more > 2*want+20 {
		t.Errorf("%d mappings more for %d programs, expected %d", more, programs, want)
	}
	if _, size := anonCode(t); size != sizeBefore+uintptr(programs*pageSize) {
		t.Errorf("%d bytes of code, expected %d programs of a page", size-sizeBefore, programs)
	}
	for i, c := range codes {
		if c.mem[0] != byte(i) || c.mem[1] != byte(i>>8) {
			t.Fatalf("program %d has changed", i)
		}
	}
	mustClose(t, codes...)
	wantArenas(t, 0)
	if n, size := anonCode(t); n != codesBefore || size != sizeBefore {
		t.Errorf("%d mappings and %d bytes of code are left, expected %d and %d", n, size, codesBefore, sizeBefore)
	}
	if more := len(readMaps(t)) - before; more > 20 {
		t.Errorf("%d mappings are left", more)
	}
}

func TestPermissions(t *testing.T) {
	check := func(what string, addr uintptr, want string) {
		t.Helper()
		if got := permsOf(t, addr); got != want {
			t.Errorf("%s is %q, expected %q", what, got, want)
		}
	}
	stay := mustNew(t, []byte{1})
	check("the page after the only program", stay.Addr()+uintptr(pageSize), "---p")
	c, err := New([]byte{2}, func(_ []byte, addr uintptr) {
		check("code being written", addr, "rw-p")
		check("the page before it", stay.Addr(), "r-xp")
	})
	if err != nil {
		t.Fatal(err)
	}
	check("code", c.Addr(), "r-xp")
	mustClose(t, c)
	check("freed code", c.Addr(), "---p")
	check("the page before it", stay.Addr(), "r-xp")
	again := mustNew(t, []byte{3})
	if again.Addr() != c.Addr() {
		t.Fatalf("code at %#x, expected the free page at %#x", again.Addr(), c.Addr())
	}
	check("new code in a freed page", again.Addr(), "r-xp")
	mustClose(t, again, stay)
	check("freed arena", stay.Addr(), "")
}

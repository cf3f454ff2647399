// Implements the tests of what people see of a run: verdicts, tables, progress.

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep/spec"
)

func TestVerdicts(t *testing.T) {
	const all = ^uint64(0)
	for _, c := range []struct {
		typ  spec.ProgramType
		r0   uint64
		want string
		keep int // of 100 bytes; -1: the packet is gone
	}{
		{spec.SocketFilter, 0, "0 drop", -1},
		{spec.SocketFilter, 1 << 32, "0 drop", -1},
		{spec.SocketFilter, 60, "60 accept", 60},
		{spec.SocketFilter, all, "4294967295 accept", 100},
		{spec.XDP, 0, "0 XDP_ABORTED", -1},
		{spec.XDP, 1, "1 XDP_DROP", -1},
		{spec.XDP, 2, "2 XDP_PASS", 100},
		{spec.XDP, 3, "3 XDP_TX", 100},
		{spec.XDP, 4, "4 XDP_REDIRECT", 100},
		{spec.XDP, 5, "5", -1},
		{spec.SchedCLS, all, "-1 TC_ACT_UNSPEC", 100},
		{spec.SchedCLS, 0, "0 TC_ACT_OK", 100},
		{spec.SchedACT, 2, "2 TC_ACT_SHOT", -1},
		{spec.SchedCLS, 8, "8 TC_ACT_TRAP", -1},
		{spec.SchedCLS, 1000, "1000", 100},
		{spec.CGroupSKB, 1, "1 allow", 100},
		{spec.CGroupSKB, 0, "0 deny", 100},
		{spec.Unspec, 9, "9", 100},
		{spec.Unspec, 10, "10 (0xa)", 100},
		{spec.Unspec, all, "18446744073709551615 (0xffffffffffffffff)", 100},
		{spec.Tracing, 7, "7", 100},
	} {
		v := verdictOf(c.typ, c.r0)
		keep, ok := keeps(c.typ, v, 100)
		if !ok {
			keep = -1
		}
		if v.String() != c.want || keep != c.keep {
			t.Errorf("%s, r0 %#x: %q, keeps %d; want %q, %d", c.typ, c.r0, v, keep, c.want, c.keep)
		}
	}
}

// TestManyVerdicts gives a different verdict for each packet: the counts stay right and the memory bounded.
func TestManyVerdicts(t *testing.T) {
	var counts tally
	const packets = maxVerdicts + 500
	for i := range packets {
		counts.add(verdictOf(spec.Unspec, uint64(i)), 10)
	}
	counts.add(verdictOf(spec.Unspec, 7), 10)
	if len(counts.by) != maxVerdicts || counts.packets != packets+1 || counts.bytes != 10*(packets+1) || counts.matched != packets {
		t.Errorf("%d verdicts, %d packets, %d bytes, %d matched", len(counts.by), counts.packets, counts.bytes, counts.matched)
	}
	var sum uint64
	for _, row := range counts.json() {
		sum += row.Packets
	}
	if sum != packets+1 {
		t.Errorf("the JSON rows have %d packets", sum)
	}
	var b bytes.Buffer
	counts.print(&b)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != maxShown+2 || !strings.Contains(lines[8], "7") || !strings.Contains(lines[8], "2") || !strings.Contains(lines[len(lines)-1], "1480") {
		t.Errorf("%d lines:\n%s", len(lines), b.String())
	}
}

func TestProgress(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(0, 0)
	p := startProgress(&b, 1000, func() time.Time { return now })
	steps := func(n int, read int64) {
		for range n {
			p.step(read)
		}
	}
	steps(1000, 100)
	if b.Len() != 0 {
		t.Errorf("at once: %q", b.String())
	}
	now = now.Add(time.Second)
	steps(1000, 250)
	if got := b.String(); got != "\r 25%  1024 packets, 1.02 k packets/s \x1b[K" {
		t.Errorf("after a second: %q", got)
	}
	b.Reset()
	p.done()
	if b.String() != "\r\x1b[K" {
		t.Errorf("done: %q", b.String())
	}

	b.Reset()
	p = startProgress(&b, 0, func() time.Time { return now })
	now = now.Add(2 * time.Second)
	steps(64, 100)
	if got := b.String(); got != "\r64 packets, 32 packets/s \x1b[K" {
		t.Errorf("without a size: %q", got)
	}
	b.Reset()
	p = newProgress(&b, nil) // not a terminal
	steps(1<<16, 1)
	p.done()
	if b.Len() != 0 {
		t.Errorf("in a pipe: %q", b.String())
	}
}

func TestNumbersForPeople(t *testing.T) {
	for ns, want := range map[float64]string{0.5: "0.5 ns", 12.34: "12.3 ns", 4567: "4.57 µs", 8.9e6: "8.9 ms", 1.5e9: "1.50 s", 3e12: "3000.00 s"} {
		if got := nanoseconds(ns); got != want {
			t.Errorf("%g ns: %q, want %q", ns, got, want)
		}
	}
	for n, want := range map[float64]string{7: "7", 1500: "1.5 k", 2.5e6: "2.5 M", 3e12: "3e+03 G"} {
		if got := large(n); got != want {
			t.Errorf("%g: %q, want %q", n, got, want)
		}
	}
}

// TestLostOutput checks that output which cannot be written is an error.
func TestLostOutput(t *testing.T) {
	var errOut bytes.Buffer
	if code := run([]string{"isa"}, strings.NewReader(""), brokenWriter{}, &errOut); code != exitUsage || errOut.String() != "skep: stdout: broken\n" {
		t.Errorf("exit code %d, %q", code, errOut.String())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errorText("broken")

type errorText string

func (e errorText) Error() string { return string(e) }

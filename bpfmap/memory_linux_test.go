// Implements the test that large maps take memory when it is used, not when they are made.

package bpfmap_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/skepbpf/skep/spec"
)

// resident returns the memory that the process has from the system, in bytes.
func resident(t *testing.T) int {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Skip(err)
	}
	return pages * os.Getpagesize()
}

func TestMemoryIsTakenWhenUsed(t *testing.T) {
	for _, def := range []spec.Map{
		{Type: spec.Array, KeySize: 4, ValueSize: 512, MaxEntries: 1 << 20},
		{Type: spec.Hash, KeySize: 4, ValueSize: 400, MaxEntries: 1 << 20},
		{Type: spec.LRUHash, KeySize: 4, ValueSize: 400, MaxEntries: 1 << 20},
		{Type: spec.LPMTrie, KeySize: 8, ValueSize: 400, MaxEntries: 1 << 20, Flags: 1},
		{Type: spec.RingBuf, MaxEntries: 1 << 28},
		{Type: spec.Queue, ValueSize: 512, MaxEntries: 1 << 20},
	} {
		before := resident(t)
		m := mustNew(t, def, nil)
		if took := resident(t) - before; took > 64<<20 && !raceDetector {
			t.Errorf("%s takes %d MiB when it is made", def.Type, took>>20)
		}
		runtime.KeepAlive(m)
	}
}

package verify

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep/spec"
)

// exploding are programs made to have as many different states as they can.
var exploding = map[string]func() string{
	// Each branch makes a sum another one, and the sum is an index at the end, so that all sums matter.
	"sums": func() string {
		var b strings.Builder
		b.WriteString("r6 = r1\nr7 = 0\n")
		for i := range 40 {
			fmt.Fprintf(&b, "r0 = *(u32 *)(r6 + 0)\nif r0 & %d goto +1\nr7 += %d\n", 1<<(i%31), 1+i*i*37)
		}
		b.WriteString("r7 &= 7\nr1 = map[data][0]+0\nr1 += r7\nr0 = *(u8 *)(r1 + 0)\nexit")
		return b.String()
	},
	// The same on the stack, with 64 slots that all differ.
	"slots": func() string {
		var b strings.Builder
		b.WriteString("r6 = r1\n")
		for i := range 60 {
			fmt.Fprintf(&b, "*(u64 *)(r10 - %d) = 0\n", 8*(i+1))
		}
		for i := range 60 {
			fmt.Fprintf(&b, "r0 = *(u32 *)(r6 + 0)\nif r0 & %d goto +1\n*(u64 *)(r10 - %d) = 1\n", 1<<(i%31), 8*(i+1))
		}
		b.WriteString("r7 = 0\n")
		for i := range 60 {
			fmt.Fprintf(&b, "r0 = *(u64 *)(r10 - %d)\nr7 += r0\n", 8*(i+1))
		}
		b.WriteString("r1 = map[data][0]+0\nr7 &= 7\nr1 += r7\nr0 = *(u8 *)(r1 + 0)\nexit")
		return b.String()
	},
	// Loops in loops, each round another state.
	"rounds": func() string {
		return `r6 = 0
			a: r7 = 0
			b: r8 = 0
			c: r8 += 1
			if r8 < 200 goto c
			r7 += 1
			if r7 < 200 goto b
			r6 += 1
			if r6 < 200 goto a
			r0 = 0
			exit`
	},
	// Branches inside a loop: twice as many states each round.
	"doubling": func() string {
		return `r6 = r1
			r7 = 1
			r8 = 0
			a: r0 = *(u32 *)(r6 + 0)
			r7 <<= 1
			if r0 > 100 goto b
			r7 |= 1
			b: r8 += 1
			if r8 < 50 goto a
			r7 &= 7
			r1 = map[data][0]+0
			r1 += r7
			r0 = *(u8 *)(r1 + 0)
			exit`
	},
}

// TestExplodingStates has programs whose states explode end in bounded time and memory.
func TestExplodingStates(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, text := range exploding {
		t.Run(name, func(t *testing.T) {
			c := testCase{name: name, text: text(), typ: spec.SocketFilter}
			p := c.program(t)
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			r, err := c.verify(t, p)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			var e *Error
			if !errors.As(err, &e) || e.Code != TooComplex {
				t.Errorf("got %v", err)
			}
			t.Logf("%v: %d instructions, %d states at most, %v, %.0f ns an instruction, %d MB of memory", err, r.Processed, r.PeakStates, took.Round(time.Millisecond),
				float64(took.Nanoseconds())/float64(r.Processed), (after.Sys-before.Sys)>>20)
			if took > 60*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

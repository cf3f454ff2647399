package verify

import (
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep/spec"
)

// TestStories checks what stories tell.
func TestStories(t *testing.T) {
	for _, c := range []struct {
		name, text string
		typ        spec.ProgramType
		want       []string // a part of each step, in order
		hint       string
	}{
		{"what a helper passes to a function is not the caller's R1", `
			r1 = *(u32 *)(r1 + 0)
			r1 &= 7
			r2 = func[body]
			r3 = 0
			r4 = 0
			call loop
			r0 = 0
			exit
			body: r2 = map[data][0]+0
			r2 += r1
			r0 = *(u8 *)(r2 + 0)
			exit`, spec.SocketFilter, []string{"call of loop: R1 is what it passes to the function, a number"}, ""},
		{"a function's result", `
			r1 = *(u32 *)(r1 + 0)
			call f
			r2 = map[data][0]+0
			r2 += r0
			r0 = *(u8 *)(r2 + 0)
			exit
			f: r0 = r1
			r0 &= 1023
			exit`, spec.SocketFilter, []string{"r1 = *(u32", "r0 = r1: R0 is then", "r0 &= 1023: R0 is then a number from 0 to 1023", "r2 += r0: R2 is then"}, "compare the index"},
		{"the other branch", `
			r2 = *(u32 *)(r1 + 0)
			r3 = *(u32 *)(r1 + 4)
			r4 = r2
			r4 += 20
			if r3 >= r4 goto out
			r0 = *(u8 *)(r2 + 0)
			out: r0 = 0
			exit`, spec.XDP, []string{"r2 = *(u32", "not taken: the packet has fewer than 20 bytes there"}, "read on the other one"},
		{"what is held, and which way it went", `
			r6 = r1
			r1 = map[ring]
			r2 = 8
			r3 = 0
			call ringbuf_reserve
			if r0 == 0 goto out
			r2 = *(u32 *)(r6 + 0)
			if r2 == 7 goto out
			r1 = r0
			r2 = 0
			call ringbuf_submit
			out: r0 = 0
			exit`, spec.SocketFilter, []string{"call of ringbuf_reserve: what it gives must be released", "if r0 == 0 goto +5, not taken", "if r2 == 7 goto +3, taken"}, "on every path"},
		{"the packet has moved", `
			r6 = r1
			r7 = *(u32 *)(r1 + 76)
			r8 = *(u32 *)(r1 + 80)
			r2 = r7
			r2 += 14
			if r2 > r8 goto out
			r2 = 64
			call skb_pull_data
			r0 = *(u8 *)(r7 + 0)
			out: r0 = 0
			exit`, spec.SchedCLS, []string{"call of skb_pull_data may move the packet: R7 is no address any more"}, "load data and data_end"},
		{"a step of a loop is told once", `
			r0 = 0
			r2 = r10
			r2 += -600
			again: r2 += 1
			r0 += 1
			if r0 != 20 goto again
			*(u8 *)(r2 + 0) = 1
			exit`, spec.SocketFilter, []string{"r2 = r10", "r2 += -600", "r2 += 1"}, ""},
	} {
		tc := testCase{name: c.name, text: c.text, typ: c.typ}
		_, err := tc.verify(t, tc.program(t))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		ok := len(e.Story) >= len(c.want) && strings.Contains(e.Hint, c.hint)
		for n, at := 0, 0; ok && n < len(c.want); n++ {
			for at < len(e.Story) && !strings.Contains(e.Story[at].String(), c.want[n]) {
				at++
			}
			ok = at < len(e.Story)
			at++
		}
		if !ok {
			t.Errorf("%s: %v: got %v, hint %q", c.name, e, e.Story, e.Hint)
		}
	}
}

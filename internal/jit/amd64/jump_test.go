// Implements the tests of control flow: conditions, frames, calls, and the length of jumps.

package amd64_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// conditionNames holds the jump for each comparison, as the decoder spells it.
var conditionNames = map[isa.Fn]string{
	isa.FnEq: "je", isa.FnNe: "jne", isa.FnGt: "ja", isa.FnGe: "jae", isa.FnLt: "jb", isa.FnLe: "jbe",
	isa.FnSGt: "jg", isa.FnSGe: "jge", isa.FnSLt: "jl", isa.FnSLe: "jle", isa.FnSet: "jne",
}

func TestJumpIf(t *testing.T) {
	pairs(func(w bool, a, b amd64.Reg) {
		for fn, s := range conditionNames {
			op := "cmp"
			if fn == isa.FnSet {
				op = "test"
			}
			check(t, emit(t, 1, func(c *amd64.Code) { c.Bind(0); c.JumpIf(fn, w, a, b, 0) }),
				fmt.Sprintf("%s %s, %s; %s @0", op, name(width(w), a), name(width(w), b), s), rex(w, a, b)+4)
		}
	})
}

func TestJumpIfImm(t *testing.T) {
	pairs(func(w bool, a, b amd64.Reg) {
		if a != b {
			return
		}
		r := name(width(w), a)
		for fn, s := range conditionNames {
			for _, v := range edges {
				text, n := fmt.Sprintf("cmp %s, %d", r, v), rex(w, a)+2+immLen(v)
				if a == amd64.RAX && !fits8(v) {
					n--
				}
				switch {
				case fn == isa.FnSet:
					text, n = testText(w, a, v)
				case v == 0:
					text, n = fmt.Sprintf("test %s, %s", r, r), rex(w, a)+2
				}
				check(t, emit(t, 1, func(c *amd64.Code) { c.JumpIfImm(fn, w, a, v, 0); c.Bind(0) }),
					fmt.Sprintf("%s; %s @end", text, s), n+2)
			}
		}
	})
}

// testText returns the text and length of a test against a constant.
func testText(w bool, a amd64.Reg, v int32) (string, int) {
	size, n := width(w), rex(w, a)+6
	switch {
	case v >= 0 && v <= 255:
		size, n = 8, 3
		if a >= amd64.RSP {
			n++
		}
	case v >= 0:
		size, n = 32, rex(false, a)+6
	}
	if a == amd64.RAX {
		n--
	}
	if size == 8 {
		v = int32(int8(v))
	}
	return fmt.Sprintf("test %s, %d", name(size, a), v), n
}

func TestJumpAndCall(t *testing.T) {
	check(t, emit(t, 1, func(c *amd64.Code) { c.Bind(0); c.Jump(0) }), "jmp @0", 2)
	check(t, emit(t, 1, func(c *amd64.Code) { c.Jump(0); c.Bind(0) }), "jmp @end", 2)
	check(t, emit(t, 1, func(c *amd64.Code) { c.Bind(0); c.TakeBudget(0) }), "sub qword ptr [rbp-520], 1; js @0", 10)
	check(t, emit(t, 1, func(c *amd64.Code) { c.Bind(0); c.CallLabel(0) }), "call @0", 5)
	check(t, emit(t, 1, func(c *amd64.Code) { c.CallLabel(0); c.Bind(0) }), "call @end", 5)
	c := amd64.NewCode(0)
	for range 2 {
		c.Restart()
		c.Mov(true, amd64.RDI, amd64.RAX)
		c.CallHelper(5, "ktime_get_ns")
		c.CallHelper(-1, "")
	}
	check(t, c.Bytes(), "mov rdi, rax; call @2; call @end", 13) // still to be filled in
	want := []amd64.Call{{Off: 4, Name: "ktime_get_ns", ID: 5}, {Off: 9, ID: -1}}
	if !slices.Equal(c.Calls, want) {
		t.Errorf("calls %v, want %v", c.Calls, want)
	}
}

func TestFrame(t *testing.T) {
	all := []amd64.Reg{amd64.RBX, amd64.R13, amd64.R14, amd64.R15}
	for set := range 16 {
		var saved []amd64.Reg
		enter, leave := "push rbp; mov rbp, rsp; sub rsp, 552", ""
		for i, r := range all {
			if set>>i&1 != 0 {
				slot := fmt.Sprintf("qword ptr [rbp%+d]", -552+8*len(saved))
				enter += fmt.Sprintf("; mov %s, %s", slot, name(64, r))
				leave += fmt.Sprintf("mov %s, %s; ", name(64, r), slot)
				saved = append(saved, r)
			}
		}
		check(t, emit(t, 0, func(c *amd64.Code) { c.Prologue(saved, 0) }), enter, 11+7*len(saved))
		check(t, emit(t, 0, func(c *amd64.Code) { c.Epilogue(saved) }), leave+"leave; ret", 2+7*len(saved))
		for _, budget := range []int32{1, 8 << 20, math.MaxInt32} {
			check(t, emit(t, 0, func(c *amd64.Code) { c.Prologue(saved, budget) }),
				fmt.Sprintf("%s; mov qword ptr [rbp-520], %d", enter, budget), 22+7*len(saved))
		}
	}
}

// A jump of a layout: to a label, and of which kind.
type leap struct {
	to   amd64.Label
	kind int // 0 Jump, 1 JumpIf, 2 TakeBudget, 3 CallLabel
}

// leaps tells, for each kind, the length of what stands before the jump, and how much longer the long form is; a
// call has no short one.
var leaps = [...]struct{ before, extra int }{{0, 3}, {2, 4}, {8, 4}, {-3, 0}}

// A layout is a piece of code: before piece i stands label i, then so many bytes of filling, then a jump.
type layout struct {
	fill  []int
	leaps []leap
}

// write writes the layout and returns where labels are and where jumps end.
func (l *layout) write(c *amd64.Code) (labels, ends []int) {
	for i, n := range l.fill {
		c.Bind(amd64.Label(i))
		labels = append(labels, c.Len())
		for range n / 2 {
			c.Mov(false, amd64.RAX, amd64.RAX)
		}
		if n%2 != 0 { // one byte more in the sum
			c.Mov(true, amd64.RAX, amd64.RAX)
		}
		switch j := l.leaps[i]; j.kind {
		case 0:
			c.Jump(j.to)
		case 1:
			c.JumpIf(isa.FnEq, false, amd64.RAX, amd64.RDI, j.to)
		case 2:
			c.TakeBudget(j.to)
		case 3:
			c.CallLabel(j.to)
		}
		ends = append(ends, c.Len())
	}
	return labels, ends
}

// settle writes the layout until it has settled and checks every jump in the bytes: that it goes where it
// must, and is short if there is no reason for length. It returns how often the layout was written.
func (l *layout) settle(t *testing.T, exact bool) int {
	t.Helper()
	c := amd64.NewCode(len(l.fill))
	passes := 0
	var labels, ends []int
	for passes = 1; ; passes++ {
		c.Restart()
		labels, ends = l.write(c)
		if c.Settled() {
			break
		}
		if passes == 64 {
			t.Fatalf("does not settle in %d passes: %d jumps", passes, len(l.leaps))
		}
	}
	code := c.Bytes()
	for i, j := range l.leaps {
		x := leaps[j.kind]
		short := ends[i]-labels[i] == length(l.fill[i])+x.before+2
		var d int
		if short {
			d = int(int8(code[ends[i]-1]))
		} else {
			d = int(int32(binary.LittleEndian.Uint32(code[ends[i]-4:])))
		}
		if got := ends[i] + d; got != labels[j.to] {
			t.Fatalf("jump %d goes to %d, want %d (layout %v)", i, got, labels[j.to], l)
		}
		if short || !exact || x.extra == 0 {
			continue
		}
		if d < 0 {
			d += x.extra // as it would be, were the jump short
		}
		if d >= -128 && d <= 127 {
			t.Fatalf("jump %d over %d bytes is long (layout %v)", i, d, l)
		}
	}
	return passes
}

// length is how many bytes write makes of a filling of n.
func length(n int) int { return n/2*2 + n%2*3 }

func TestJumpLimits(t *testing.T) {
	for kind := range 3 {
		for n := 110; n < 140; n++ {
			forward := layout{fill: []int{0, n, 0}, leaps: []leap{{2, kind}, {0, 3}, {0, 3}}}
			forward.settle(t, true)
			backward := layout{fill: []int{n, 0}, leaps: []leap{{0, kind}, {0, 3}}}
			backward.settle(t, true)
		}
	}
}

func TestJumpRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	most := 0
	for range 3000 {
		n := 1 + rng.IntN(80)
		l := layout{fill: make([]int, n), leaps: make([]leap, n)}
		for i := range n {
			l.fill[i] = rng.IntN(1 + rng.IntN(60))
			to := max(0, min(n-1, i+rng.IntN(21)-10))
			if rng.IntN(8) == 0 {
				to = rng.IntN(n)
			}
			l.leaps[i] = leap{amd64.Label(to), min(rng.IntN(7)/2, 3)}
		}
		most = max(most, l.settle(t, true))
	}
	t.Logf("at most %d passes", most)
}

// TestJumpChain has each jump's length depend on the next one's, so that one length a pass would be found.
func TestJumpChain(t *testing.T) {
	const n = 1000
	for _, forward := range []bool{true, false} {
		for fill := 8; fill < 20; fill++ {
			for span := 6; span <= 13; span++ {
				for extra := range 2 {
					l := layout{fill: make([]int, n), leaps: make([]leap, n)}
					for i := range n {
						to := max(0, i-span)
						if forward {
							to = min(n-1, i+span)
						}
						l.fill[i], l.leaps[i] = fill+i%2*extra, leap{to: amd64.Label(to)}
					}
					if forward {
						l.fill[n-2] = 120
					} else {
						l.fill[1] = 120
					}
					l.settle(t, false)
				}
			}
		}
	}
}

// Implements the test of verbs by running them, against the reference meaning of the instruction table.

//go:build linux || darwin || freebsd || netbsd || openbsd

package amd64_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep/internal/execmem"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/jit/cabi"
	"github.com/skepbpf/skep/isa"
)

// state is what the code under test is given and what it leaves: all registers but RSP, R12 and the scratch
// registers R10 and R11, and four words of memory.
type state struct {
	regs [16]uint64
	mem  [4]uint64 // little endian, as the host is
	took uint64    // 1 if the code jumped
}

// kept are the registers in which code under test may leave nothing but its result.
func kept(r amd64.Reg) bool {
	return r != amd64.RSP && r != amd64.R12 && r != amd64.R10 && r != amd64.R11
}

var st = new(state)

// native is a verb that can be run on st.
type native struct{ code *execmem.Code }

// build wraps what f writes: registers come from st before and go there after. f may jump to label 1.
func build(t testing.TB, f func(c *amd64.Code)) native {
	t.Helper()
	code := []byte{0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, // push rbx, rbp, r12 to r15
		0x49, 0x89, 0xfc} // mov r12, rdi
	code = append(code, emit(t, 2, func(c *amd64.Code) {
		registers(func(r amd64.Reg) {
			if kept(r) {
				c.Load(64, false, r, amd64.R12, int32(unsafe.Offsetof(st.regs))+8*int32(r))
			}
		})
		f(c)
		c.Jump(0)
		c.Bind(1)
		c.StoreImm(64, 1, amd64.R12, int32(unsafe.Offsetof(st.took)))
		c.Bind(0)
		registers(func(r amd64.Reg) {
			if kept(r) {
				c.Store(64, r, amd64.R12, int32(unsafe.Offsetof(st.regs))+8*int32(r))
			}
		})
	})...)
	code = append(code, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3) // pop the same; ret
	m, err := execmem.New(code, nil)
	if err != nil {
		t.Fatal(err)
	}
	return native{m}
}

// run runs the code from one state and compares what it leaves with another.
func (n native) run(t testing.TB, before, after *state, what string, args ...any) {
	t.Helper()
	*st = *before
	cabi.Call(n.code.Addr(), uint64(uintptr(unsafe.Pointer(st))))
	runtime.KeepAlive(st)
	if *st == *after {
		return
	}
	what = fmt.Sprintf(what, args...)
	for r, v := range st.regs {
		if v != after.regs[r] {
			t.Errorf("%s: %s is %#x, want %#x (was %#x)", what, name(64, amd64.Reg(r)), v, after.regs[r], before.regs[r])
		}
	}
	if st.mem != after.mem || st.took != after.took {
		t.Errorf("%s: memory %#x, jump %d, want %#x, %d", what, st.mem, st.took, after.mem, after.took)
	}
	t.FailNow()
}

func (n native) close(t testing.TB) {
	if err := n.code.Close(); err != nil {
		t.Error(err)
	}
}

// fresh returns a state with a different value in each place.
func fresh() *state {
	s := *start
	return &s
}

// start is what fresh returns a copy of.
var start = func() *state {
	s := new(state)
	for i := range s.regs {
		s.regs[i] = 0x0101010101010101*uint64(i+1) ^ 0x8000000080000000
	}
	for i := range s.mem {
		s.mem[i] = 0x1111111111111111*uint64(i+5) + 0xf
	}
	return s
}()

var values = []uint64{0, 1, 2, 7, 31, 32, 33, 63, 64, 0x7f, 0x80, 0xffff8000, math.MaxInt32, 1 << 31, math.MaxUint32, 1 << 32,
	1<<32 + 1, 0x123456789abcdef0, math.MaxInt64, 1 << 63, 1<<63 + 1<<31, 1<<64 - 1<<31, math.MaxUint64 - 1, math.MaxUint64}

// rows calls f for each row of some kinds.
func rows(t *testing.T, f func(r *isa.Row), kinds ...isa.Kind) {
	t.Helper()
	set, err := isa.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, r := range set.Rows() {
		for _, k := range kinds {
			if r.Kind == k {
				count++
				f(r)
			}
		}
	}
	if count == 0 {
		t.Fatal("no rows")
	}
}

// bpfRegisters are those that hold BPF registers, in either map.
var bpfRegisters = append(amd64.Map[:], amd64.R9)

// operands calls f for each two registers.
func operands(f func(dst, src amd64.Reg)) {
	for _, dst := range bpfRegisters {
		for _, src := range bpfRegisters {
			f(dst, src)
		}
	}
}

// arithmetic writes a KindALU instruction.
func arithmetic(c *amd64.Code, r *isa.Row, dst, src amd64.Reg, v int32) {
	w := r.Width == 64
	switch {
	case r.Fn == isa.FnMov && r.From == isa.FromReg:
		c.Mov(w, dst, src)
	case r.Fn == isa.FnMov && w:
		c.MovImm(dst, uint64(int64(v)))
	case r.Fn == isa.FnMov:
		c.MovImm(dst, uint64(uint32(v)))
	case r.Fn == isa.FnMovSX:
		c.MovSX(w, r.Size, dst, src)
	case r.Fn == isa.FnNeg:
		c.Neg(w, dst)
	case r.Fn == isa.FnLE:
		c.ZeroExtend(r.Size, dst)
	case r.Fn == isa.FnBE || r.Fn == isa.FnBSwap:
		c.Swap(r.Size, dst)
	case r.From == isa.FromReg:
		c.ALU(r.Fn, w, dst, src)
	default:
		c.ALUImm(r.Fn, w, dst, v)
	}
}

func TestNativeALU(t *testing.T) {
	rows(t, func(r *isa.Row) {
		if r.From != isa.FromReg {
			return
		}
		operands(func(dst, src amd64.Reg) {
			n := build(t, func(c *amd64.Code) { arithmetic(c, r, dst, src, 0) })
			defer n.close(t)
			for _, a := range values {
				for _, b := range values {
					before := fresh()
					before.regs[dst] = a
					before.regs[src] = b
					after := *before
					after.regs[dst] = isa.EvalALU(r, before.regs[dst], b)
					n.run(t, before, &after, "%v %s, %s of %#x, %#x", r.Op, name(64, dst), name(64, src), a, b)
				}
			}
		})
	}, isa.KindALU)
}

func TestNativeALUImm(t *testing.T) {
	imms := append([]int32{2, 3, 5, 6, 7, 10, 14, 28, 31, 32, 33, 63, 64, 641, 1000, 1<<20 + 1, 1 << 30, math.MaxInt32 - 1, -2, -7}, edges...)
	rows(t, func(r *isa.Row) {
		if r.From == isa.FromReg {
			return
		}
		for _, dst := range bpfRegisters {
			for _, v := range imms {
				n := build(t, func(c *amd64.Code) { arithmetic(c, r, dst, dst, v) })
				for _, a := range values {
					before := fresh()
					before.regs[dst] = a
					after := *before
					after.regs[dst] = isa.EvalALU(r, a, uint64(int64(v)))
					n.run(t, before, &after, "%v %s, %d of %#x", r.Op, name(64, dst), v, a)
				}
				n.close(t)
			}
		}
	}, isa.KindALU)
}

func TestNativeJump(t *testing.T) {
	try := func(r *isa.Row, a, b amd64.Reg, x, y uint64, n native) {
		before := fresh()
		before.regs[a] = x
		if r.From == isa.FromReg {
			before.regs[b] = y
		}
		after := *before
		if isa.EvalJump(r, before.regs[a], y) {
			after.took = 1
		}
		n.run(t, before, &after, "%v %s, %s of %#x, %#x", r.Op, name(64, a), name(64, b), x, y)
	}
	rows(t, func(r *isa.Row) {
		w := r.Width == 64
		operands(func(a, b amd64.Reg) {
			switch {
			case r.From == isa.FromReg:
				n := build(t, func(c *amd64.Code) { c.JumpIf(r.Fn, w, a, b, 1) })
				defer n.close(t)
				for _, x := range values {
					for _, y := range values {
						try(r, a, b, x, y, n)
					}
				}
			case a == b:
				for _, v := range edges {
					n := build(t, func(c *amd64.Code) { c.JumpIfImm(r.Fn, w, a, v, 1) })
					for _, x := range append([]uint64{uint64(int64(v)), uint64(uint32(v)), uint64(int64(v)) - 1, uint64(int64(v)) + 1}, values...) {
						try(r, a, b, x, uint64(int64(v)), n)
					}
					n.close(t)
				}
			}
		})
	}, isa.KindJump)
}

// cell returns the address that is off below the second word of memory.
func cell(off int32) uint64 { return uint64(uintptr(unsafe.Pointer(&st.mem[1]))) - uint64(int64(off)) }

func TestNativeAtomic(t *testing.T) {
	rows(t, func(r *isa.Row) {
		operands(func(base, src amd64.Reg) {
			for _, off := range []int32{0, -8, 200} {
				n := build(t, func(c *amd64.Code) { c.Atomic(r.Fn, r.Size, r.Fetch, src, base, off) })
				for i, v := range values {
					for _, expected := range []uint64{values[(i+3)%len(values)], v, v + 1<<32} {
						old := v
						before := fresh()
						before.mem[1] = old
						before.regs[amd64.RAX] = expected
						before.regs[src] = values[(i+5)%len(values)] // over RAX, if it is that
						before.regs[base] = cell(off)
						after := *before
						mask := uint64(math.MaxUint64) >> (64 - r.Size)
						stored := isa.EvalAtomic(r, old&mask, before.regs[src], before.regs[amd64.RAX])
						after.mem[1] = old&^mask | stored&mask
						switch {
						case r.Fn == isa.FnCmpxchg:
							after.regs[amd64.RAX] = old & mask
						case r.Fetch:
							after.regs[src] = old & mask
						}
						n.run(t, before, &after, "%v [%s], %s", r.Op, name(64, base), name(64, src))
					}
				}
				n.close(t)
			}
		})
	}, isa.KindAtomic)
}

func TestNativeMemory(t *testing.T) {
	rows(t, func(r *isa.Row) {
		store := r.Kind == isa.KindStore || r.Kind == isa.KindStoreRel
		operands(func(dst, src amd64.Reg) {
			base, reg := src, dst
			if store {
				base, reg = dst, src
			}
			for _, off := range []int32{0, 1, -3, 300} {
				for _, v := range edges {
					n := build(t, func(c *amd64.Code) {
						switch {
						case !store:
							c.Load(r.Size, r.Signed, reg, base, off)
						case r.From == isa.FromReg:
							c.Store(r.Size, reg, base, off)
						default:
							c.StoreImm(r.Size, v, base, off)
						}
					})
					before := fresh()
					before.regs[base] = cell(off)
					after := *before
					mask := uint64(math.MaxUint64) >> (64 - r.Size)
					switch {
					case !store:
						after.regs[reg] = isa.EvalLoad(r, before.mem[1]&mask)
					case r.From == isa.FromReg:
						after.mem[1] = before.mem[1]&^mask | before.regs[reg]&mask
					default:
						after.mem[1] = before.mem[1]&^mask | uint64(int64(v))&mask
					}
					n.run(t, before, &after, "%v %s, %s, offset %d", r.Op, name(64, dst), name(64, src), off)
					n.close(t)
					if r.From != isa.FromImm {
						break // v does not matter
					}
				}
			}
		})
	}, isa.KindLoad, isa.KindStore, isa.KindLoadAcq, isa.KindStoreRel)
}

func TestNativeMovImm(t *testing.T) {
	for _, dst := range bpfRegisters {
		for _, v := range values {
			for _, v := range []uint64{v, ^v, bits.ReverseBytes64(v), -v} {
				n := build(t, func(c *amd64.Code) { c.MovImm(dst, v) })
				before := fresh()
				after := *before
				after.regs[dst] = v
				n.run(t, before, &after, "%s = %#x", name(64, dst), v)
				n.close(t)
			}
		}
	}
}

// TestNativeFrame enters and leaves functions: the registers saved are there again, the others as they were
// left, and the budget of may_goto ends.
func TestNativeFrame(t *testing.T) {
	saved := []amd64.Reg{amd64.RBX, amd64.R13, amd64.R14, amd64.R15}
	const budget = 3
	frame := emit(t, 3, func(c *amd64.Code) {
		c.Prologue(saved, budget)
		for i, r := range saved {
			c.MovImm(r, uint64(i))
		}
		c.MovImm(amd64.RAX, 0)
		c.Bind(0)
		c.TakeBudget(1)
		c.ALUImm(isa.FnAdd, true, amd64.RAX, 1)
		c.Jump(0)
		c.Bind(1)
		c.Epilogue(saved)
	})
	code := []byte{0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, 0x49, 0x89, 0xfc}
	code = append(code, emit(t, 0, func(c *amd64.Code) {
		for _, r := range append(saved, amd64.RBP) {
			c.Load(64, false, r, amd64.R12, 8*int32(r))
		}
	})...)
	call := len(code)
	code = append(code, 0xe8, 0, 0, 0, 0)
	code = append(code, emit(t, 0, func(c *amd64.Code) {
		for _, r := range append(saved, amd64.RBP, amd64.RAX) {
			c.Store(64, r, amd64.R12, 8*int32(r))
		}
	})...)
	code = append(code, 0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3)
	binary.LittleEndian.PutUint32(code[call+1:], uint32(len(code)-call-5))
	m, err := execmem.New(append(code, frame...), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := native{m}
	defer n.close(t)
	before := fresh()
	after := *before
	after.regs[amd64.RAX] = budget
	n.run(t, before, &after, "frame")
}

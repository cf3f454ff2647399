// Implements the test of memory access on all registers and edge offsets.

package amd64_test

import (
	"fmt"
	"testing"

	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// places calls f for each register, base register and offset.
func places(f func(r, base amd64.Reg, off int32)) {
	registers(func(r amd64.Reg) {
		registers(func(base amd64.Reg) {
			for _, off := range edges {
				f(r, base, off)
			}
		})
	})
}

func TestLoad(t *testing.T) {
	places(func(r, base amd64.Reg, off int32) {
		for _, x := range []struct {
			size   int
			signed bool
			op     string
			to     int
			opcode int
		}{
			{8, false, "movzx", 32, 2}, {16, false, "movzx", 32, 2}, {32, false, "mov", 32, 1}, {64, false, "mov", 64, 1},
			{8, true, "movsx", 64, 2}, {16, true, "movsx", 64, 2}, {32, true, "movsxd", 64, 1},
		} {
			check(t, emit(t, 0, func(c *amd64.Code) { c.Load(uint8(x.size), x.signed, r, base, off) }),
				fmt.Sprintf("%s %s, %s", x.op, name(x.to, r), memory(x.size, base, off)),
				rex(x.to == 64, r, base)+x.opcode+memLen(base, off))
		}
	})
}

func TestStore(t *testing.T) {
	places(func(r, base amd64.Reg, off int32) {
		for _, size := range []int{8, 16, 32, 64} {
			n := rex(size == 64, r, base) + 1 + memLen(base, off)
			if size == 8 && r >= amd64.RSP && r <= amd64.RDI && base < amd64.R8 {
				n++
			}
			if size == 16 {
				n++
			}
			check(t, emit(t, 0, func(c *amd64.Code) { c.Store(uint8(size), r, base, off) }),
				fmt.Sprintf("mov %s, %s", memory(size, base, off), name(size, r)), n)
		}
	})
}

func TestStoreImm(t *testing.T) {
	places(func(r, base amd64.Reg, off int32) {
		if r != base {
			return
		}
		for _, v := range edges {
			for _, x := range []struct {
				size int
				v    int64
				n    int // prefix 66 and immediate
			}{{8, int64(int8(v)), 1}, {16, int64(int16(v)), 3}, {32, int64(v), 4}, {64, int64(v), 4}} {
				check(t, emit(t, 0, func(c *amd64.Code) { c.StoreImm(uint8(x.size), v, base, off) }),
					fmt.Sprintf("mov %s, %d", memory(x.size, base, off), x.v), rex(x.size == 64, base)+1+memLen(base, off)+x.n)
			}
		}
	})
}

func TestAtomic(t *testing.T) {
	places(func(r, base amd64.Reg, off int32) {
		for _, size := range []int{32, 64} {
			mem, src := memory(size, base, off), name(size, r)
			one := rex(size == 64, r, base) + 1 + memLen(base, off)
			do := func(fn isa.Fn, fetch bool) []byte {
				return emit(t, 0, func(c *amd64.Code) { c.Atomic(fn, uint8(size), fetch, r, base, off) })
			}
			for fn, s := range groupNames {
				if fn == isa.FnSub {
					continue
				}
				check(t, do(fn, false), fmt.Sprintf("lock %s %s, %s", s, mem, src), one+1)
				if fn != isa.FnAdd && !scratch(r) && !scratch(base) {
					check(t, do(fn, true), fetchText(s, size, r, base, off), -1)
				}
			}
			check(t, do(isa.FnAdd, true), fmt.Sprintf("lock xadd %s, %s", mem, src), one+2)
			check(t, do(isa.FnXchg, true), fmt.Sprintf("xchg %s, %s", mem, src), one)
			cmpxchg := fmt.Sprintf("lock cmpxchg %s, %s", mem, src)
			if size == 32 {
				check(t, do(isa.FnCmpxchg, true), cmpxchg+"; mov eax, eax", one+4)
			} else {
				check(t, do(isa.FnCmpxchg, true), cmpxchg, one+2)
			}
		}
	})
}

// fetchText is the loop that stands for fetching operations which the machine does not have.
func fetchText(op string, size int, src, base amd64.Reg, off int32) string {
	operand, tail := src, fmt.Sprintf("; mov %s, %s; mov rax, r10", name(size, src), name(size, amd64.RAX))
	if src == amd64.RAX {
		operand, tail = amd64.R10, ""
	}
	if base == amd64.RAX {
		base = amd64.R10
	}
	mem, tmp, old := memory(size, base, off), name(size, amd64.R11), name(size, amd64.RAX)
	return fmt.Sprintf("mov r10, rax; mov %s, %s; mov %s, %s; %s %s, %s; lock cmpxchg %s, %s; jne @2%s",
		old, mem, tmp, old, op, tmp, name(size, operand), mem, tmp, tail)
}

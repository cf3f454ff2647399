// Implements the generator of programs that are compared with the kernel's verdict.

package verify

import (
	"math/rand/v2"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// gen builds one program.
type gen struct {
	rng  *rand.Rand
	code []isa.Instruction
	p    *spec.Program
	maps []spec.Map

	wild              int // one in so many choices is careless
	depth             int
	special           func()
	called            bool // the function that is emitted is not the main one
	budget            int
	functionAddresses []callbackRef
	calls             []int // call instructions whose function is to come
	ctx               []ctxField
}

type ctxField struct {
	off  int16
	size uint8
}

func (g *gen) emit(in ...isa.Instruction) { g.code = append(g.code, in...) }

func (g *gen) pick(n int) int { return g.rng.IntN(n) }

func (g *gen) one(n int) bool { return g.rng.IntN(n) == 0 }

// reg is a register that can be written.
func (g *gen) reg() isa.Register { return isa.Register([]int{0, 2, 3, 4, 5, 7, 8, 9}[g.pick(8)]) }

func (g *gen) imm() int32 {
	edges := []int32{0, 1, -1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 255, 256, 0x7fff, 0xffff, 0x7fffffff, -0x80000000, -8, -16, -64, 100}
	switch g.pick(3) {
	case 0:
		return edges[g.pick(len(edges))]
	case 1:
		return int32(g.pick(64))
	}
	return int32(g.rng.Uint32()) >> g.pick(32)
}

var (
	aluRows, jumpRows []*isa.Row
	byKind            = map[isa.Kind][]*isa.Row{}
)

func init() {
	for _, r := range isa.Linux.Rows() {
		byKind[r.Kind] = append(byKind[r.Kind], r)
		switch {
		case r.Kind == isa.KindALU:
			aluRows = append(aluRows, r)
		case r.Kind == isa.KindJump:
			jumpRows = append(jumpRows, r)
		}
	}
}

func (g *gen) alu() {
	r := aluRows[g.pick(len(aluRows))]
	imm := g.imm()
	if r.From == isa.FromImm && !g.one(g.wild) {
		switch r.Fn {
		case isa.FnDiv, isa.FnMod, isa.FnSDiv, isa.FnSMod:
			if imm == 0 {
				imm = 3
			}
		case isa.FnLsh, isa.FnRsh, isa.FnArsh:
			imm = int32(uint32(imm) % uint32(r.Width))
		}
	}
	g.emit(r.Make(g.reg(), g.reg(), 0, imm))
}

var sizes = []struct {
	n       int
	ld, st  isa.Op
	stx, sx isa.Op
}{{1, isa.Ldx8, isa.St8, isa.Stx8, isa.LdxS8}, {2, isa.Ldx16, isa.St16, isa.Stx16, isa.LdxS16}, {4, isa.Ldx32, isa.St32, isa.Stx32, isa.LdxS32}, {8, isa.Ldx64, isa.St64, isa.Stx64, isa.Ldx64}}

// stack loads or stores in the stack.
func (g *gen) stack() {
	s := sizes[g.pick(4)]
	off := int16(-s.n * (1 + g.pick(32/s.n)))
	if g.one(g.wild) {
		off = int16(g.pick(600) - 560)
	}
	switch g.pick(5) {
	case 0:
		g.emit(s.ld.Make(g.reg(), isa.R10, off, 0))
	case 1:
		g.emit(s.sx.Make(g.reg(), isa.R10, off, 0))
	case 2:
		g.emit(s.st.Make(isa.R10, 0, off, g.imm()))
	case 3:
		g.emit(s.stx.Make(isa.R10, g.reg(), off, 0))
	case 4: // spill and fill
		r := isa.Register(g.pick(10))
		off = int16(-8 * (1 + g.pick(4)))
		g.emit(isa.Stx64.Make(isa.R10, r, off, 0), isa.Ldx64.Make(g.reg(), isa.R10, off, 0))
	}
}

// variable is an access to the stack at an offset that is not constant.
func (g *gen) variable() {
	a, b := g.reg(), g.reg()
	s := sizes[g.pick(4)]
	mask := []int{1, 3, 7, 8, 15, 24, 31}[g.pick(7)]
	if !g.one(g.wild) {
		mask &^= s.n - 1
	}
	g.emit(isa.Mov64Reg.Make(a, b, 0, 0), isa.And64Imm.Make(a, 0, 0, int32(mask)))
	if g.one(2) && !g.called {
		// Not in a called function, where the kernel mistakes the frame (see the list of differences).
		g.emit(isa.Add64Reg.Make(a, isa.R10, 0, 0))
	} else {
		g.emit(isa.Mov64Reg.Make(b, isa.R10, 0, 0), isa.Add64Reg.Make(b, a, 0, 0))
		a = b
	}
	off := int16(-40 - g.pick(3)*8)
	if g.one(3) {
		g.emit(isa.Add64Imm.Make(a, 0, 0, int32(off)))
		off = 0
	}
	switch g.pick(3) {
	case 0:
		g.emit(s.ld.Make(g.reg(), a, off, 0))
	case 1:
		g.emit(s.st.Make(a, 0, off, g.imm()))
	case 2:
		g.emit(s.stx.Make(a, g.reg(), off, 0))
	}
	if a != 0 {
		g.emit(isa.Mov64Imm.Make(a, 0, 0, g.imm()))
	}
}

// context reads a field.
func (g *gen) context() {
	f := g.ctx[g.pick(len(g.ctx))]
	s := sizes[map[uint8]int{1: 0, 2: 1, 4: 2, 8: 3}[f.size]]
	off := f.off
	if g.one(g.wild) {
		off += int16(g.pick(9) - 4)
	}
	if g.one(g.wild) {
		s = sizes[g.pick(4)]
	}
	g.emit(s.ld.Make(g.reg(), isa.R6, off, 0))
}

// branch is a block that may be jumped over.
func (g *gen) branch() {
	r := jumpRows[g.pick(len(jumpRows))]
	dst, src := g.reg(), g.reg()
	at := len(g.code)
	g.emit(r.Make(dst, src, 0, g.imm()))
	g.block(1 + g.pick(5))
	g.code[at].Off = int16(len(g.code) - at - 1)
	if g.one(4) { // an else
		g.code[at].Off++
		at = len(g.code)
		g.emit(isa.Goto.Make(0, 0, 0, 0))
		g.block(1 + g.pick(4))
		g.code[at].Off = int16(len(g.code) - at - 1)
	}
}

// loop counts.
func (g *gen) loop() {
	r := g.reg()
	n := int32(1 + g.pick(12))
	if g.one(2) {
		g.emit(isa.Mov64Imm.Make(r, 0, 0, 0))
		top := len(g.code)
		g.block(1 + g.pick(4))
		g.emit(isa.Add64Imm.Make(r, 0, 0, int32(1+g.pick(2))))
		jumps := []isa.Op{isa.JLt64Imm, isa.JSLt64Imm, isa.JNe64Imm, isa.JLt32Imm, isa.JLe64Imm}
		g.emit(jumps[g.pick(len(jumps))].Make(r, 0, int16(top-len(g.code)-1), n))
		return
	}
	g.emit(isa.Mov64Imm.Make(r, 0, 0, n))
	top := len(g.code)
	g.block(1 + g.pick(4))
	g.emit(isa.Add64Imm.Make(r, 0, 0, -1))
	jumps := []isa.Op{isa.JNe64Imm, isa.JSGt64Imm, isa.JGt64Imm}
	g.emit(jumps[g.pick(3)].Make(r, 0, int16(top-len(g.code)-1), 0))
}

// local calls a function of the program.
func (g *gen) local() {
	for r := isa.R1; r <= isa.R5; r++ {
		if g.one(2) {
			src := isa.Register(g.pick(11))
			g.emit(isa.Mov64Reg.Make(r, src, 0, 0))
		} else {
			g.emit(isa.Mov64Imm.Make(r, 0, 0, g.imm()))
		}
	}
	g.calls = append(g.calls, len(g.code))
	g.emit(isa.CallLocal.Make(0, 0, 0, 0))
	g.clobber()
}

// clobber sets the registers that a call has made unreadable.
func (g *gen) clobber() {
	for r := isa.R2; r <= isa.R5; r++ {
		if !g.one(g.wild) {
			g.emit(isa.Mov64Imm.Make(r, 0, 0, g.imm()))
		}
	}
}

// atomic is an atomic operation on the stack.
func (g *gen) atomic() {
	rows := byKind[isa.KindAtomic]
	r := rows[g.pick(len(rows))]
	n := int(r.Size / 8)
	base := isa.R10
	g.emit(r.Make(base, g.reg(), int16(-n*(1+g.pick(32/n))), 0))
}

// packet compares with the packet's end and reads.
func (g *gen) packet(data, end int16) {
	n := int32(1 + g.pick(40))
	a, b, c := isa.R2, isa.R3, isa.R4
	g.emit(isa.Ldx32.Make(a, isa.R6, data, 0), isa.Ldx32.Make(b, isa.R6, end, 0), isa.Mov64Reg.Make(c, a, 0, 0))
	variable := g.one(3)
	if variable {
		d := isa.Register([]int{5, 7, 8, 9}[g.pick(4)])
		g.emit(isa.And64Imm.Make(d, 0, 0, int32([]int{3, 15, 63, 255}[g.pick(4)])), isa.Add64Reg.Make(c, d, 0, 0))
		if g.one(2) {
			a = c
			c = isa.R5
			g.emit(isa.Mov64Reg.Make(c, a, 0, 0))
		}
	}
	g.emit(isa.Add64Imm.Make(c, 0, 0, n))
	ops := []isa.Op{isa.JGt64Reg, isa.JGe64Reg, isa.JLt64Reg, isa.JLe64Reg}
	k := g.pick(4)
	x, y := c, b
	at := len(g.code)
	if g.one(2) {
		x, y = b, c
		g.emit(ops[k].Make(x, y, 0, 0))
		k ^= 2
	} else {
		g.emit(ops[k].Make(x, y, 0, 0))
	}
	if k >= 2 && !g.one(6) { // the way on is the one that jumps
		g.emit(isa.Goto.Make(0, 0, 0, 0))
		g.code[at].Off = 1
		at++
	}
	for range 1 + g.pick(3) {
		s := sizes[g.pick(4)]
		off := int16(g.pick(max(1, int(n)-s.n+1)))
		if g.one(8) {
			off = int16(g.pick(48) - 4)
		}
		base := a
		if g.one(4) {
			base = c
			off -= int16(n)
		}
		if g.one(4) {
			g.emit(s.stx.Make(base, isa.Register([]int{7, 8, 9, 0}[g.pick(4)]), off, 0))
		} else {
			g.emit(s.ld.Make(isa.Register([]int{7, 8, 9, 0}[g.pick(4)]), base, off, 0))
		}
	}
	g.code[at].Off = int16(len(g.code) - at - 1)
	for _, r := range []isa.Register{2, 3, 4, 5} {
		g.emit(isa.Mov64Imm.Make(r, 0, 0, g.imm()))
	}
}

// lookup looks a key up in a map and uses the value.
func (g *gen) lookup() {
	m := g.pick(2)
	size := int(g.maps[m].ValueSize)
	g.emit(isa.St32.Make(isa.R10, 0, -4, int32(g.pick(3))))
	g.mapLoad(isa.R1, m)
	g.emit(isa.Mov64Reg.Make(isa.R2, isa.R10, 0, 0), isa.Add64Imm.Make(isa.R2, 0, 0, -4))
	if g.one(6) {
		g.emit(isa.Stx32.Make(isa.R10, isa.R7, -4, 0))
	}
	g.helperCall("map_lookup_elem")
	at := -1
	if !g.one(6) {
		at = len(g.code)
		ops := []isa.Op{isa.JEq64Imm, isa.JNe64Imm}
		k := g.pick(8)
		g.emit(ops[min(k, 1)^1].Make(isa.R0, 0, 0, 0))
		if k > 0 && min(k, 1)^1 == 1 {
			g.code[at].Off = 1
		}
	}
	v := isa.Register([]int{0, 7, 8, 9}[g.pick(4)])
	if v != 0 {
		g.emit(isa.Mov64Reg.Make(v, 0, 0, 0))
	}
	if g.one(3) {
		d := isa.Register([]int{7, 8, 9}[g.pick(3)])
		if d != v {
			if g.one(2) {
				g.emit(isa.And64Imm.Make(d, 0, 0, int32([]int{3, 7, 15, 31}[g.pick(4)])))
			} else {
				g.emit(isa.JGt64Imm.Make(d, 0, 0, int32(g.pick(size+4))))
				skip := len(g.code) - 1
				defer func() { g.code[skip].Off = int16(len(g.code) - skip - 1) }()
			}
			g.emit(isa.Add64Reg.Make(v, d, 0, 0))
		}
	}
	for range 1 + g.pick(3) {
		s := sizes[g.pick(4)]
		off := int16(g.pick(max(1, size-s.n+1)))
		if g.one(8) {
			off = int16(g.pick(size+16) - 8)
		}
		switch g.pick(4) {
		case 0:
			g.emit(s.stx.Make(v, isa.Register([]int{7, 8, 9}[g.pick(3)]), off, 0))
		case 1:
			g.emit(s.st.Make(v, 0, off, g.imm()))
		case 2:
			g.emit(s.ld.Make(isa.Register([]int{3, 4, 5}[g.pick(3)]), v, off, 0))
		case 3:
			g.emit(isa.AtomicAdd64.Make(v, isa.R7, int16(g.pick(size/8+1)*8), 0))
		}
	}
	if at >= 0 {
		g.code[at].Off = int16(len(g.code) - at - 1)
	}
	g.emit(isa.Mov64Imm.Make(v, 0, 0, 0), isa.Mov64Imm.Make(0, 0, 0, 0))
	g.clobber()
}

func (g *gen) mapLoad(r isa.Register, m int) {
	g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.code), Map: g.maps[m].Name})
	g.emit(isa.LdMapFD.Make(r, 0, 0, 0), isa.Instruction{})
}

// direct loads the address of a value.
func (g *gen) direct() {
	r := isa.Register([]int{3, 7, 8}[g.pick(3)])
	m := len(g.maps) - 1 - g.pick(2)
	off := uint32(g.pick(int(g.maps[m].ValueSize)))
	g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.code), Map: g.maps[m].Name, Value: true, Offset: off})
	g.emit(isa.LdMapValue.Make(r, 0, 0, 0), isa.Instruction{})
	s := sizes[g.pick(4)]
	o := int16(g.pick(int(g.maps[m].ValueSize)-int(off)) - g.pick(8))
	if g.one(3) {
		g.emit(s.stx.Make(r, isa.R9, o, 0))
	} else {
		g.emit(s.ld.Make(isa.R4, r, o, 0))
		if g.one(2) { // a branch that may be decided
			g.emit(isa.JNe64Imm.Make(isa.R4, 0, 1, int32(g.pick(3))), isa.Ldx64.Make(isa.R4, isa.Register(g.pick(11)), 0, 0))
		}
	}
	g.emit(isa.Mov64Imm.Make(r, 0, 0, 5))
}

func (g *gen) helperCall(name string) {
	id, ok := helper.ID(name)
	if !ok {
		panic(name)
	}
	g.emit(isa.Call.Make(0, 0, 0, id))
}

// block emits statements.
func (g *gen) block(n int) {
	if g.depth > 3 {
		return
	}
	g.depth++
	defer func() { g.depth-- }()
	for range n {
		if g.budget--; g.budget < 0 {
			return
		}
		g.statement()
	}
}

// update calls a helper that takes a key and a value.
func (g *gen) update() {
	m := g.pick(2)
	g.emit(isa.St32.Make(isa.R10, 0, -4, int32(g.pick(3))))
	if g.one(2) {
		g.emit(isa.St64.Make(isa.R10, 0, -16, g.imm()), isa.Stx64.Make(isa.R10, isa.R7, -24, 0))
	}
	g.mapLoad(isa.R1, m)
	g.emit(isa.Mov64Reg.Make(isa.R2, isa.R10, 0, 0), isa.Add64Imm.Make(isa.R2, 0, 0, -4),
		isa.Mov64Reg.Make(isa.R3, isa.R10, 0, 0), isa.Add64Imm.Make(isa.R3, 0, 0, int32(-8*(2+g.pick(5)))), isa.Mov64Imm.Make(isa.R4, 0, 0, 0))
	names := []string{"map_update_elem", "map_update_elem", "map_delete_elem"}
	g.helperCall(names[g.pick(3)])
	g.clobber()
}

// memory calls a helper that takes memory and its size.
func (g *gen) memory() {
	size := isa.Register(2)
	dst := isa.Register(1)
	n := 1 + g.pick(32)
	off := -8 * (1 + g.pick(6))
	g.emit(isa.Mov64Reg.Make(dst, isa.R10, 0, 0), isa.Add64Imm.Make(dst, 0, 0, int32(off)))
	switch g.pick(4) {
	case 0, 1:
		g.emit(isa.Mov64Imm.Make(size, 0, 0, int32(min(n, -off))))
	case 2: // a size in bounds
		g.emit(isa.Mov64Reg.Make(size, isa.R7, 0, 0), isa.And64Imm.Make(size, 0, 0, int32([]int{7, 15, 31}[g.pick(3)])))
	case 3:
		g.emit(isa.Mov64Reg.Make(size, isa.R8, 0, 0))
		at := len(g.code)
		g.emit([]isa.Op{isa.JGt64Imm, isa.JSGt64Imm, isa.JGt32Imm}[g.pick(3)].Make(size, 0, 0, int32(g.pick(40))))
		defer func() { g.code[at].Off = int16(len(g.code) - at - 1) }()
	}
	g.emit(isa.Mov64Reg.Make(isa.R3, isa.Register([]int{7, 8, 9, 10, 6}[g.pick(5)]), 0, 0))
	switch g.pick(3) {
	case 0:
		g.helperCall("probe_read_kernel")
	case 1:
		g.helperCall("get_current_comm")
	case 2: // the result bounds an access
		g.helperCall("probe_read_kernel_str")
		g.emit(isa.JSLt64Imm.Make(0, 0, 3, 0), isa.And64Imm.Make(0, 0, 0, int32([]int{7, 15, 31}[g.pick(3)])),
			isa.Add64Reg.Make(0, isa.R10, 0, 0), isa.Ldx8.Make(isa.R7, 0, int16(-32), 0))
	}
	g.emit(isa.Mov64Imm.Make(0, 0, 0, g.imm()), isa.Mov64Imm.Make(1, 0, 0, 0))
	g.clobber()
}

// record reserves a record of a ring buffer and gives it back.
func (g *gen) record() {
	m := g.mapNamed("ring")
	g.mapLoad(isa.R1, m)
	n := 8 * (1 + g.pick(4))
	g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(n)), isa.Mov64Imm.Make(isa.R3, 0, 0, 0))
	g.helperCall("ringbuf_reserve")
	at := len(g.code)
	if !g.one(8) {
		g.emit(isa.JEq64Imm.Make(0, 0, 0, 0))
	} else {
		at = -1
	}
	r := isa.Register([]int{7, 8, 9}[g.pick(3)])
	g.emit(isa.Mov64Reg.Make(r, 0, 0, 0))
	for range 1 + g.pick(3) {
		s := sizes[g.pick(4)]
		off := int16(g.pick(n/s.n) * s.n)
		if g.one(8) {
			off = int16(g.pick(n+16) - 8)
		}
		g.emit(s.st.Make(r, 0, off, g.imm()))
	}
	if g.one(4) {
		g.block(2)
	}
	if !g.one(8) {
		g.emit(isa.Mov64Reg.Make(isa.R1, r, 0, 0), isa.Mov64Imm.Make(isa.R2, 0, 0, 0))
		g.helperCall([]string{"ringbuf_submit", "ringbuf_discard"}[g.pick(2)])
	}
	if g.one(8) {
		g.emit(isa.Ldx8.Make(isa.R4, r, 0, 0))
	}
	if at >= 0 {
		g.code[at].Off = int16(len(g.code) - at - 1)
	}
	g.emit(isa.Mov64Imm.Make(0, 0, 0, 0), isa.Mov64Imm.Make(r, 0, 0, 0))
	g.clobber()
}

func (g *gen) mapNamed(name string) int {
	for i := range g.maps {
		if g.maps[i].Name == name {
			return i
		}
	}
	panic(name)
}

// lock takes a lock in a map's value and gives it back.
func (g *gen) lock() {
	g.emit(isa.St32.Make(isa.R10, 0, -4, int32(g.pick(2))))
	g.mapLoad(isa.R1, g.mapNamed("locks"))
	g.emit(isa.Mov64Reg.Make(isa.R2, isa.R10, 0, 0), isa.Add64Imm.Make(isa.R2, 0, 0, -4))
	g.helperCall("map_lookup_elem")
	at := len(g.code)
	g.emit(isa.JEq64Imm.Make(0, 0, 0, 0), isa.Mov64Reg.Make(isa.R8, 0, 0, 0), isa.Mov64Reg.Make(isa.R1, 0, 0, 0))
	off := int32(4)
	if g.one(10) {
		off = int32(g.pick(12))
	}
	g.emit(isa.Add64Imm.Make(isa.R1, 0, 0, off))
	g.helperCall("spin_lock")
	g.emit(isa.Ldx32.Make(isa.R7, isa.R8, int16([]int{0, 8, 12, 4}[g.pick(4)]), 0), isa.St32.Make(isa.R8, 0, 8, 7))
	if g.one(8) {
		g.helperCall("ktime_get_ns")
	}
	if !g.one(8) {
		g.emit(isa.Mov64Reg.Make(isa.R1, isa.R8, 0, 0), isa.Add64Imm.Make(isa.R1, 0, 0, 4))
		g.helperCall("spin_unlock")
	}
	g.code[at].Off = int16(len(g.code) - at - 1)
	g.emit(isa.Mov64Imm.Make(0, 0, 0, 0), isa.Mov64Imm.Make(isa.R8, 0, 0, 0))
	g.clobber()
}

// callback calls a helper that calls a function of the program.
func (g *gen) callback() {
	each := g.one(2)
	if each {
		g.mapLoad(isa.R1, g.pick(2))
	} else if g.one(3) {
		g.emit(isa.Mov64Reg.Make(isa.R1, isa.R7, 0, 0))
	} else {
		g.emit(isa.Mov64Imm.Make(isa.R1, 0, 0, int32(g.pick(20))))
	}
	g.functionAddresses = append(g.functionAddresses, callbackRef{len(g.code), each})
	g.emit(isa.LdFunc.Make(isa.R2, 0, 0, 0), isa.Instruction{})
	if g.one(2) {
		g.emit(isa.Mov64Imm.Make(isa.R3, 0, 0, 0))
	} else {
		g.emit(isa.St64.Make(isa.R10, 0, -8, 3), isa.Mov64Reg.Make(isa.R3, isa.R10, 0, 0), isa.Add64Imm.Make(isa.R3, 0, 0, -8))
	}
	g.emit(isa.Mov64Imm.Make(isa.R4, 0, 0, 0))
	if each {
		g.helperCall("for_each_map_elem")
	} else {
		g.helperCall("loop")
	}
	if g.one(2) {
		g.emit(isa.Ldx64.Make(isa.R7, isa.R10, -8, 0))
	}
	g.clobber()
}

type callbackRef struct {
	at   int
	each bool
}

// callbacks emits the functions whose addresses were taken.
func (g *gen) callbacks() {
	for _, ref := range g.functionAddresses {
		g.called = true
		g.code[ref.at].Imm = int32(len(g.code) - ref.at - 1)
		g.calls = make([]int, 5)
		g.ctx = []ctxField{{0, 4}}
		ptr := isa.R2
		if ref.each {
			ptr = isa.R4
		}
		if g.one(3) {
			g.emit(isa.JEq64Imm.Make(ptr, 0, 3, 0), isa.Ldx64.Make(isa.R0, ptr, 0, 0), isa.Add64Imm.Make(isa.R0, 0, 0, 1), isa.Stx64.Make(ptr, isa.R0, 0, 0))
		}
		if ref.each && g.one(2) {
			g.emit(isa.Ldx32.Make(isa.R7, isa.R2, 0, 0), isa.Ldx64.Make(isa.R8, isa.R3, int16(8*g.pick(3)), 0), isa.Stx32.Make(isa.R3, isa.R7, 4, 0))
		}
		for _, r := range []isa.Register{0, 2, 3, 4, 5, 7, 8, 9} {
			g.emit(isa.Mov64Imm.Make(r, 0, 0, g.imm()))
		}
		g.depth, g.budget = 2, 4
		g.block(4)
		g.emit(isa.Mov64Imm.Make(0, 0, 0, int32(g.pick(2))))
		if g.one(10) {
			g.emit(isa.Mov64Reg.Make(0, isa.R7, 0, 0))
		}
		g.emit(isa.Exit.Make(0, 0, 0, 0))
	}
}

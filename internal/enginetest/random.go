// Implements random programs: what is drawn, how a program is put together, and the test over many.

package enginetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Options says what random programs may contain. The zero value gives plain functions over no memory, with
// everything in the table that needs neither packet nor helper.
type Options struct {
	Set *isa.Set // instructions to draw from; nil means isa.Linux

	// Size is how many units of one to some ten instructions the outermost function has; 0 means 24. The
	// program is longer, by functions it calls, preparation, and the end.
	Size int

	Mem     int  // bytes of memory or packet that the program is given; below 8 it gets memory but leaves it alone
	Packet  bool // the program is a socket filter, which reads the packet by packet access alone
	Helpers bool // the program calls those of conformance.Helpers that need no memory

	// Kernel keeps to what the kernel's verifier lets pass: aligned stack accesses, atomic operations on the
	// stack only, no division by an immediate zero and no shift by an immediate beyond the width.
	Kernel bool
}

func (o Options) orDefault() Options {
	if o.Set == nil {
		o.Set = isa.Linux
	}
	if o.Size == 0 {
		o.Size = 24
	}
	return o
}

// Generate returns a random program drawn from the rows of the table: Kind and Fn of a row decide how it is
// used, so that a new row takes part by itself. Every program is valid: registers and stack are written
// before they are read, jumps land on instructions, accesses stay in memory and stack, loops and calls end.
// No address ever gets into a result. The program ends by folding all registers, its stack and its memory
// into R0, so that a difference anywhere shows. The same state of rng and the same options give the same
// program.
func Generate(rng *rand.Rand, o Options) []isa.Instruction {
	g := newGenerator(rng, o.orDefault())
	return g.program()
}

// RandomVector returns a random program with random memory and the result that the reference machine gives.
func RandomVector(rng *rand.Rand, o Options) (Vector, error) {
	o = o.orDefault()
	v := Vector{Program: &spec.Program{Insns: Generate(rng, o)}, Mem: make([]byte, o.Mem)}
	if o.Packet {
		v.Program.Type, v.Program.License = spec.SocketFilter, "GPL"
	}
	for i := range v.Mem {
		v.Mem[i] = byte(rng.Uint32() >> rng.IntN(2)) // small bytes as well
	}
	var err error
	v.Result, _, err = Interpret(o.Set, v.Program, v.Mem)
	return v, err
}

// shapes are the programs that RunRandom makes in turn, on top of the options it is given.
var shapes = [...]Options{{}, {Mem: 64}, {Mem: 40, Packet: true}, {Mem: 24, Helpers: true}, {Size: 60}}

// RunRandom runs n random programs of all shapes and compares them with the reference machine. The seeds are
// fixed, so that a failure can be repeated: it names the seed and lists the program.
func RunRandom(t *testing.T, run Runner, n int, o Options) {
	for seed := range n {
		s := shapes[seed%len(shapes)]
		s.Set, s.Kernel = o.Set, o.Kernel
		if o.Size > 0 {
			s.Size = o.Size
		}
		v, err := RandomVector(rand.New(rand.NewPCG(uint64(seed), 0)), s)
		if err != nil {
			t.Fatalf("seed %d: the reference machine fails: %v\n%s", seed, err, Listing(v.Program.Insns))
		}
		v.Name = fmt.Sprintf("seed %d", seed)
		if err := v.Check(run(t, v)); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, Explain(t, v, run))
		}
	}
}

// Explain shrinks a vector on which an engine is wrong and lists what is left.
func Explain(t testing.TB, v Vector, run Runner) string {
	_, err := run(t, v)
	small := Shrink(v, func(try Vector) bool {
		r0, tryErr := run(t, try)
		return (tryErr == nil) == (err == nil) && try.Check(r0, tryErr) != nil
	})
	return fmt.Sprintf("Shrunk, it %v. The program, with memory % x:\n%s", small.Check(run(t, small)), small.Mem, Listing(small.Program.Insns))
}

// Listing prints code as the numbers of -- raw, with what each instruction is, for messages.
func Listing(code []isa.Instruction) string {
	var out strings.Builder
	for i, in := range code {
		what := ""
		if row, err := isa.Linux.Lookup(code, i); err == nil {
			what = fmt.Sprintf("%v (%s %s %+d %d)", row.Op, in.Dst(), in.Src(), in.Off, in.Imm)
		}
		fmt.Fprintf(&out, "%4d: %02x %02x %04x %08x %s\n", i, in.Code, in.Regs, uint16(in.Off), uint32(in.Imm), what)
	}
	return out.String()
}

// generator makes one program.
type generator struct {
	*rand.Rand
	o    Options
	rows map[isa.Kind][]*isa.Row // that can be drawn

	budgets int // instructions of KindMayGoto made so far

	// functions, the outermost first. Each calls only later ones, so that no call recurses.
	functions []*function
}

func newGenerator(rng *rand.Rand, o Options) *generator {
	g := &generator{Rand: rng, o: o, rows: map[isa.Kind][]*isa.Row{}}
	for _, row := range o.Set.Rows() {
		if g.canDraw(row) {
			g.rows[row.Kind] = append(g.rows[row.Kind], row)
		}
	}
	return g
}

// canDraw tells whether random programs can contain a row. What is left out stands for something outside the
// program: maps, kernel functions, address spaces.
func (g *generator) canDraw(row *isa.Row) bool {
	switch row.Kind {
	case isa.KindLoadImm:
		return row.Src.Use != isa.Selector
	case isa.KindPacket:
		return g.o.Packet
	case isa.KindCall:
		return row.Op == isa.CallLocal || g.o.Helpers && (row.Op == isa.Call || row.Op == isa.CallReg)
	case isa.KindCast:
		return false
	}
	return true
}

// program makes the functions, innermost first, and joins them.
func (g *generator) program() []isa.Instruction {
	inner := 0
	if g.canDraw(isa.Linux.Row(isa.CallLocal)) {
		inner = g.IntN(4)
	}
	g.functions = make([]*function, 1+inner)
	for i := inner; i >= 0; i-- {
		size := g.o.Size
		if i > 0 {
			size = 2 + g.IntN(max(size/3, 1))
		}
		g.functions[i] = g.function(i, size)
	}
	called := map[int]bool{0: true} // a function that no other calls is left out
	start := make([]int, len(g.functions))
	var out []isa.Instruction
	for i, f := range g.functions {
		if !called[i] {
			continue
		}
		start[i] = len(out)
		out = append(out, f.code...)
		for _, c := range f.calls {
			called[c.callee] = true
		}
	}
	for i, f := range g.functions {
		if !called[i] {
			continue
		}
		for _, c := range f.calls {
			at := start[i] + c.at
			out[at].Imm = int32(start[c.callee] - at - 1)
		}
	}
	return out
}

// chance is true n times out of a hundred.
func (g *generator) chance(n int) bool { return g.IntN(100) < n }

// draw returns a random row of a kind; ok is false if there is none.
func (g *generator) draw(kind isa.Kind) (row *isa.Row, ok bool) {
	rows := g.rows[kind]
	if len(rows) == 0 {
		return nil, false
	}
	return rows[g.IntN(len(rows))], true
}

// budget is draw for a may_goto, n times out of a hundred. The kernel gets one a program: with more in loops
// its verifier can take minutes.
func (g *generator) budget(n int) (row *isa.Row, ok bool) {
	if !g.chance(n) || g.o.Kernel && g.budgets > 0 {
		return nil, false
	}
	g.budgets++
	return g.draw(isa.KindMayGoto)
}

// value returns a 64-bit value, often an edge.
func (g *generator) value() uint64 {
	if g.chance(60) {
		return edges[g.IntN(len(edges))]
	}
	return g.Uint64() >> g.IntN(64)
}

// imm returns an immediate that the row can have.
func (g *generator) imm(row *isa.Row) int32 {
	v := int32(g.value())
	if !g.o.Kernel || row.Kind != isa.KindALU || row.From != isa.FromImm {
		return v
	}
	switch row.Fn {
	case isa.FnDiv, isa.FnMod, isa.FnSDiv, isa.FnSMod:
		if v == 0 {
			return 3
		}
	case isa.FnLsh, isa.FnRsh, isa.FnArsh:
		return v & int32(row.Width-1)
	}
	return v
}

// fill puts a row together with a random immediate, for all slots.
func (g *generator) fill(row *isa.Row, dst, src isa.Register, off int16) []isa.Instruction {
	out := []isa.Instruction{row.Make(dst, src, off, g.imm(row))}
	for len(out) < row.Slots {
		next := isa.Instruction{}
		if row.Next.Use == isa.Operand {
			next.Imm = int32(g.value())
		}
		out = append(out, next)
	}
	return out
}

// region is memory that a function reaches through a register.
type region struct {
	reg     isa.Register
	size    int
	aligned bool // accesses must be aligned
	atomic  bool // atomic operations are allowed
}

// callSite is a call whose distance is filled in when the functions are joined.
type callSite struct{ at, callee int }

// function is a function while it is made.
type function struct {
	g       *generator
	index   int
	code    []isa.Instruction
	calls   []callSite
	counter isa.Register   // counts loops; 0 while there is none
	free    []isa.Register // hold numbers at every start of a unit
	words   int            // of the stack frame in use
	stack   region
	outer   *region // memory of the program or stack of the caller, nil if there is none
	looping bool
	depth   int
}

// takesArea says that the function's first argument is the address of areaSize bytes of its caller's stack.
func (f *function) takesArea() bool { return f.index > 0 && f.outer != nil }

const areaSize = 16

func (g *generator) function(index, size int) *function {
	f := &function{g: g, index: index, words: 2 + g.IntN(5)}
	f.stack = region{reg: isa.R10, size: 8 * f.words, aligned: g.o.Kernel, atomic: true}
	for r := isa.R0; r < isa.R10; r++ {
		f.free = append(f.free, r)
	}
	f.prepare()
	f.units(size)
	f.finish()
	return f
}

// reserve takes one of the registers that calls keep out of the free ones.
func (f *function) reserve() isa.Register {
	for {
		r := isa.R6 + isa.Register(f.g.IntN(4))
		if f.drop(r) {
			return r
		}
	}
}

func (f *function) drop(r isa.Register) bool {
	i := slices.Index(f.free, r)
	if i < 0 {
		return false
	}
	f.free = slices.Delete(f.free, i, i+1)
	return true
}

func (f *function) emit(code ...isa.Instruction) { f.code = append(f.code, code...) }

// any returns a register that holds a number.
func (f *function) any() isa.Register { return f.free[f.g.IntN(len(f.free))] }

// prepare writes every register and the stack.
func (f *function) prepare() {
	g := f.g
	switch {
	case f.index == 0 && g.o.Packet:
		f.drop(isa.R6)
		f.emit(isa.Mov64Reg.Make(isa.R6, isa.R1, 0, 0))
	case f.index == 0 && g.o.Mem >= 8:
		r := f.reserve()
		f.outer = &region{reg: r, size: g.o.Mem, atomic: !g.o.Kernel}
		f.emit(isa.Mov64Reg.Make(r, isa.R1, 0, 0))
	case f.index > 0 && g.chance(50):
		r := f.reserve()
		f.outer = &region{reg: r, size: areaSize, aligned: g.o.Kernel, atomic: true}
		f.emit(isa.Mov64Reg.Make(r, isa.R1, 0, 0))
	}
	f.counter = f.reserve()
	f.emit(isa.Mov64Imm.Make(f.counter, 0, 0, 0))
	for _, r := range f.free {
		argument := f.index > 0 && r >= isa.R1 && r <= isa.R5 && !(r == isa.R1 && f.takesArea())
		if !argument {
			f.renew(r)
		}
	}
	for w := 1; w <= f.words; w++ {
		if g.chance(50) {
			f.emit(isa.Stx64.Make(isa.R10, f.any(), int16(-8*w), 0))
		} else {
			f.emit(isa.St64.Make(isa.R10, 0, int16(-8*w), int32(g.value())))
		}
	}
}

// renew puts a number into a register that holds none or an address.
func (f *function) renew(r isa.Register) {
	switch row, ok := f.g.draw(isa.KindLoad); {
	case ok && f.outer != nil && f.g.chance(60):
		f.emit(f.g.fill(row, r, f.outer.reg, f.offset(f.outer, row))...)
	case f.g.chance(50):
		f.emit(isa.LoadImm64(r, f.g.value())...)
	default:
		f.emit(isa.Mov64Imm.Make(r, 0, 0, int32(f.g.value())))
	}
}

// offset returns a random offset inside a region for an access of the row.
func (f *function) offset(in *region, row *isa.Row) int16 {
	size := int(row.Size / 8)
	at := f.g.IntN(in.size - size + 1)
	if in.aligned || row.Kind == isa.KindAtomic || row.Kind == isa.KindLoadAcq || row.Kind == isa.KindStoreRel {
		at -= at % size
	}
	if in.reg == isa.R10 {
		at -= in.size
	}
	return int16(at)
}

// finish folds all that the function knows into R0 and returns.
func (f *function) finish() {
	fold := func(r isa.Register) {
		f.emit(isa.Mul64Imm.Make(isa.R0, 0, 0, 0x01000193), isa.Xor64Reg.Make(isa.R0, r, 0, 0))
	}
	for _, r := range f.free {
		if r != isa.R0 {
			fold(r)
		}
	}
	foldWords := func(base isa.Register, from, size int) {
		for at := 0; at+8 <= size; at += 8 {
			f.emit(isa.Ldx64.Make(isa.R1, base, int16(from+at), 0))
			fold(isa.R1)
		}
	}
	foldWords(isa.R10, -8*f.words, 8*f.words)
	if f.outer != nil && f.index == 0 {
		foldWords(f.outer.reg, 0, f.outer.size)
	}
	f.emit(isa.Exit.Make(0, 0, 0, 0))
}

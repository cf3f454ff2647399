package skep_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// lazyGen writes programs full of what compilers can put off: copies, sums, shifts, and addresses made of them. It knows
// of each register what it is, so that every access is in place.
type lazyGen struct {
	rng  *rand.Rand
	code []isa.Instruction
	regs [10]lazyReg
}

// lazyReg is what a register holds: a number of at most max if small, or an address that many bytes into the data, from lo
// to hi.
type lazyReg struct {
	small, addr bool
	lo, hi      int64
}

const lazyData = 512

func (g *lazyGen) emit(op isa.Op, dst, src int, off int16, imm int32) {
	g.code = append(g.code, op.Make(isa.Register(dst), isa.Register(src), off, imm))
}

// pick returns a register of which f holds, or -1. R9 has the data's address, and stays.
func (g *lazyGen) pick(f func(r lazyReg) bool) int {
	for range 20 {
		if r := g.rng.IntN(9); f(g.regs[r]) {
			return r
		}
	}
	return -1
}

func (g *lazyGen) statement() {
	number := func(r lazyReg) bool { return !r.addr }
	any := g.rng.IntN(9)
	switch g.rng.IntN(14) {
	case 0, 1: // a copy
		from := g.rng.IntN(10)
		g.emit(isa.Mov64Reg, any, from, 0, 0)
		g.regs[any] = g.regs[from]
	case 2:
		if from := g.pick(number); from >= 0 {
			g.emit(isa.Mov32Reg, any, from, 0, 0)
			g.regs[any] = lazyReg{small: g.regs[from].small, hi: g.regs[from].hi}
		}
	case 3: // a small number
		g.emit(isa.And64Imm, any, 0, 0, 31)
		if g.regs[any].addr {
			g.code = g.code[:len(g.code)-1]
			return
		}
		g.regs[any] = lazyReg{small: true, hi: 31}
	case 4: // a shift
		r := &g.regs[any]
		k := 1 + g.rng.IntN(3)
		if r.small && r.hi<<k < 200 {
			g.emit(isa.Lsh64Imm, any, 0, 0, int32(k))
			r.hi <<= k
		}
	case 5, 6: // an address
		a := g.pick(func(r lazyReg) bool { return r.addr })
		b := g.pick(func(r lazyReg) bool { return r.small })
		if a < 0 {
			g.emit(isa.Mov64Reg, any, 9, 0, 0)
			g.regs[any] = g.regs[9]
			return
		}
		if b >= 0 && g.regs[a].hi+g.regs[b].hi < lazyData-64 {
			if g.rng.IntN(2) == 0 {
				g.emit(isa.Add64Reg, a, b, 0, 0)
				g.regs[a].hi += g.regs[b].hi
			} else {
				g.emit(isa.Add64Reg, b, a, 0, 0)
				g.regs[b] = lazyReg{addr: true, lo: g.regs[a].lo, hi: g.regs[a].hi + g.regs[b].hi}
			}
		}
	case 7: // plus a constant
		if a := g.pick(func(r lazyReg) bool { return r.addr }); a >= 0 {
			d := int64(g.rng.IntN(40) - 20)
			r := &g.regs[a]
			if r.lo+d >= 0 && r.hi+d < lazyData-64 {
				if g.rng.IntN(2) == 0 {
					g.emit(isa.Add64Imm, a, 0, 0, int32(d))
				} else {
					g.emit(isa.Sub64Imm, a, 0, 0, int32(-d))
				}
				r.lo, r.hi = r.lo+d, r.hi+d
			}
		}
	case 8: // a load
		if a := g.pick(func(r lazyReg) bool { return r.addr }); a >= 0 {
			op := []isa.Op{isa.Ldx8, isa.Ldx16, isa.Ldx32, isa.Ldx64, isa.LdxS8, isa.LdxS32}[g.rng.IntN(6)]
			g.emit(op, any, a, int16(-g.regs[a].lo+int64(g.rng.IntN(8))), 0)
			g.regs[any] = lazyReg{}
			if op == isa.Ldx8 {
				g.emit(isa.And64Imm, any, 0, 0, 31)
				g.regs[any] = lazyReg{small: true, hi: 31}
			}
		}
	case 9: // a store
		a, b := g.pick(func(r lazyReg) bool { return r.addr }), g.pick(number)
		if a >= 0 && b >= 0 {
			op := []isa.Op{isa.Stx8, isa.Stx16, isa.Stx32, isa.Stx64}[g.rng.IntN(4)]
			g.emit(op, a, b, int16(-g.regs[a].lo+int64(g.rng.IntN(8))), 0)
		}
	case 10, 11: // a rotation, or nearly
		g.rotation()
	case 12: // a number of any size
		if r := g.pick(number); r >= 0 {
			ops := []isa.Op{isa.Add64Imm, isa.Xor64Imm, isa.Mul64Imm, isa.Div64Imm, isa.Mod32Imm, isa.Arsh64Imm, isa.Rsh32Imm, isa.Lsh32Imm, isa.Sub32Imm}
			g.emit(ops[g.rng.IntN(len(ops))], r, 0, 0, int32(1+g.rng.IntN(31)))
			g.regs[r] = lazyReg{}
		}
	case 13:
		if a, b := g.pick(number), g.pick(number); a >= 0 && b >= 0 {
			ops := []isa.Op{isa.Add64Reg, isa.Sub64Reg, isa.Xor64Reg, isa.Or32Reg, isa.Mul64Reg, isa.Div64Reg, isa.Lsh64Reg, isa.Rsh32Reg, isa.MovSX8To64, isa.Mod64Reg}
			g.emit(ops[g.rng.IntN(len(ops))], a, b, 0, 0)
			g.regs[a] = lazyReg{}
		}
	}
}

// rotation writes a rotation as compilers do, perhaps a wrong one.
func (g *lazyGen) rotation() {
	x := g.pick(func(r lazyReg) bool { return !r.addr })
	a := g.rng.IntN(9)
	if x < 0 || a == x {
		return
	}
	lsh, rsh, or, width := isa.Lsh64Imm, isa.Rsh64Imm, isa.Or64Reg, 64
	if g.rng.IntN(2) == 0 {
		lsh, rsh, or, width = isa.Lsh32Imm, isa.Rsh32Imm, isa.Or32Reg, 32
	}
	k := 1 + g.rng.IntN(width-1)
	other := width - k
	if g.rng.IntN(5) == 0 {
		other = 1 + g.rng.IntN(width-1)
	}
	if g.rng.IntN(2) == 0 {
		lsh, rsh = rsh, lsh
	}
	g.emit(isa.Mov64Reg, a, x, 0, 0)
	g.emit(lsh, a, 0, 0, int32(k))
	b := x
	if g.rng.IntN(2) == 0 {
		if b = g.rng.IntN(9); b == a {
			b = x
		} else {
			g.emit(isa.Mov64Reg, b, x, 0, 0)
		}
	}
	g.emit(rsh, b, 0, 0, int32(other))
	g.emit(or, a, b, 0, 0)
	g.regs[a], g.regs[b] = lazyReg{}, lazyReg{}
}

func (g *lazyGen) program() *spec.Program {
	g.emit(isa.Mov64Reg, 9, 1, 0, 0)
	g.regs[9] = lazyReg{addr: true}
	for r := range 9 {
		g.emit(isa.Ldx64, r, 9, int16(8*r), 0)
	}
	for range 1 + g.rng.IntN(5) {
		skip := -1
		before := g.regs
		if g.rng.IntN(2) == 0 {
			if a := g.pick(func(r lazyReg) bool { return !r.addr }); a >= 0 {
				skip = len(g.code)
				g.emit(isa.JSGt64Imm, a, 0, 0, int32(g.rng.IntN(100)))
			}
		}
		for range 1 + g.rng.IntN(12) {
			g.statement()
		}
		if skip >= 0 {
			g.code[skip].Off = int16(len(g.code) - skip - 1)
			// What differs between the two ways is nothing that can be relied on.
			for r := range 9 {
				if g.regs[r] != before[r] {
					g.emit(isa.Mov64Imm, r, 0, 0, int32(r))
					g.regs[r] = lazyReg{small: true, hi: int64(r)}
				}
			}
		}
	}
	for r := range 9 {
		if g.regs[r].addr {
			g.emit(isa.Sub64Reg, r, 9, 0, 0)
		}
		g.emit(isa.Stx64, 9, r, int16(lazyData-8*(r+1)), 0)
	}
	g.emit(isa.Exit, 0, 0, 0, 0)
	return &spec.Program{Name: "lazy", Insns: g.code}
}

// TestLazyValues compares the engines on programs of which most can be put off. SKEP_LAZY says how many.
func TestLazyValues(t *testing.T) {
	n := 3000
	if s := os.Getenv("SKEP_LAZY"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	data := make([]byte, lazyData)
	rng := rand.New(rand.NewPCG(5, 6))
	ways := []skep.Options{{Engine: skep.EngineInterp, Unverified: true}, {Unverified: true}, {UnsafeTrust: true}}
	for seed := range n {
		p := (&lazyGen{rng: rand.New(rand.NewPCG(uint64(seed), 7))}).program()
		for i := range data {
			data[i] = byte(rng.IntN(256))
		}
		var want []byte
		for k := range ways {
			prog, err := skep.Load(p, &ways[k])
			if err != nil {
				t.Fatalf("%d: %v", seed, err)
			}
			inst := prog.NewInstance()
			if _, err := inst.Run(data); err != nil {
				t.Fatalf("%d: %v\n%s", seed, err, lazyText(p))
			}
			got := bytes.Clone(inst.Data())
			if k == 0 {
				want = got
			} else if !bytes.Equal(got, want) {
				t.Fatalf("program %d, way %d:\n%x\n%x\n%s", seed, k, got, want, lazyText(p))
			}
		}
	}
}

func lazyText(p *spec.Program) (s string) {
	for i, in := range p.Insns {
		s += fmt.Sprintf("%3d %v\n", i, in)
	}
	return s
}

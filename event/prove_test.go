package event

import (
	"errors"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/prove"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// TestProved proves random expressions: all of Go structs, and nearly all of records that are bytes.
func TestProved(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	s, err := SchemaFor[record]()
	if err != nil {
		t.Fatal(err)
	}
	proofs, checked, rounds := 0, 0, 800
	if testing.Short() {
		rounds = 60
	}
	for n := range rounds {
		e := randomExpr(r, n%4)
		p, err := Compile(s, e, nil)
		if err != nil {
			continue
		}
		for _, of := range []*Schema{p.schema, p.flat.schema} {
			for _, tell := range []bool{false, true} {
				c, err := p.write(of, tell)
				if err != nil {
					continue
				}
				proofs++
				err = c.Prove(of.memory(), nil)
				switch {
				case err != nil && of.host:
					t.Errorf("%s: %v", p.root, err)
				case err != nil: // it runs checked
					checked++
				}
			}
		}
	}
	t.Logf("%d programs, %d not proved", proofs, checked)
	if checked > proofs/200 {
		t.Error("too many")
	}
}

// TestProver changes proved code at random: what is still proved does not leave the record in the sandbox, which checks
// every access.
func TestProver(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	s, err := SchemaFor[record]()
	if err != nil {
		t.Fatal(err)
	}
	rounds, proved, refused, runs := 400, 0, 0, 0
	if testing.Short() {
		rounds = 25
	}
	for n := range rounds {
		p, err := Compile(s, randomExpr(r, n%3), &Options{Checked: true})
		if err != nil {
			continue
		}
		c, err := p.write(p.flat.schema, n%2 == 0)
		if err != nil {
			continue
		}
		code, err := c.Program()
		if err != nil || len(code.Maps) > 0 {
			continue
		}
		var records [][]byte
		for range 8 {
			x := randomRecord(r)
			rec := p.flat.record(nil, unsafe.Pointer(x))
			if r.IntN(3) == 0 {
				rec = rec[:r.IntN(len(rec)+1)]
			}
			for range r.IntN(4) {
				if len(rec) > 0 {
					rec[r.IntN(len(rec))] = byte(r.Uint32())
				}
			}
			records = append(records, rec)
		}
		for range 30 {
			m := mutate(r, code)
			if !provable(m) {
				refused++
				continue
			}
			proved++
			runs += inSandbox(t, m, records)
		}
	}
	t.Logf("%d changed programs proved, %d not, %d runs", proved, refused, runs)
	if proved < refused/50 || proved == 0 {
		t.Error("too few are proved to tell anything")
	}
}

// mutate changes a program in a place or two.
func mutate(r *rand.Rand, p *spec.Program) *spec.Program {
	out := *p
	out.Insns = append([]isa.Instruction(nil), p.Insns...)
	for range 1 + r.IntN(2) {
		in := &out.Insns[r.IntN(len(out.Insns))]
		switch r.IntN(6) {
		case 0:
			in.Imm += int32(r.IntN(17)) - 8
		case 1:
			in.Off += int16(r.IntN(17)) - 8
		case 2:
			in.Code ^= 1 << (4 + r.IntN(4)) // another operation, comparison or size
		case 3:
			in.Code ^= 8 // register or immediate
		case 4:
			in.Regs ^= 1 << r.IntN(8)
		default:
			*in = out.Insns[r.IntN(len(out.Insns))]
		}
	}
	return &out
}

func provable(p *spec.Program) bool {
	d, err := ir.Decode(p, ir.Options{})
	if err != nil {
		return false
	}
	return prove.Check(d, &prove.Memory{Name: "the record", Length: true}, func(ir.Index) *prove.Memory { return nil }) == nil
}

// inSandbox runs a program on records, and returns on how many.
func inSandbox(t *testing.T, p *spec.Program, records [][]byte) (n int) {
	prog, err := skep.Load(p, &skep.Options{Engine: skep.EngineInterp})
	if err != nil {
		return 0
	}
	for _, rec := range records {
		n++
		if _, err := prog.Run(&skep.RunOptions{Data: rec, Limit: 100_000}); err != nil && !errors.Is(err, skep.ErrLimit) {
			t.Errorf("a proved program on %d bytes: %v", len(rec), err)
		}
	}
	return n
}

// BenchmarkProve proves a predicate of four tests, and a set of 1,000 rules; the rest of compiling is beside it.
func BenchmarkProve(b *testing.B) {
	rules := serviceRules(b, 1000)
	s, err := SchemaFor[service]()
	if err != nil {
		b.Fatal(err)
	}
	p, err := Compile(s, rules[0], nil)
	if err != nil {
		b.Fatal(err)
	}
	set, err := CompileRules(s, rules, nil)
	if err != nil {
		b.Fatal(err)
	}
	one, err := p.write(s, false)
	if err != nil {
		b.Fatal(err)
	}
	all, err := set.write(s)
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		prove   func() error
		compile func() error
	}{
		{"predicate", func() error { return one.Prove(s.memory(), nil) }, func() error { _, err := Compile(s, rules[0], nil); return err }},
		{"rules", func() error { return all.Prove(s.memory(), nil) }, func() error { _, err := CompileRules(s, rules, nil); return err }},
	} {
		for name, f := range map[string]func() error{"proof": c.prove, "all": c.compile} {
			b.Run(c.name+"/"+name, func(b *testing.B) {
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Implements the comparison with the kernel on mutations of compiled programs.

package verify_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// compiled is a program that the kernel accepts, with its maps.
type compiled struct {
	name string
	p    *spec.Program
	maps []spec.Map
}

// accepted returns the programs of our objects and of Debian's that the kernel accepts, of types that match only if
// only is not nil.
func accepted(t *testing.T, only func(*spec.Program) bool) []compiled {
	t.Helper()
	all := objtest.Debian(t)
	for _, name := range objtest.Names() {
		all[name] = objtest.Object(t, name)
	}
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	var out []compiled
	for _, name := range names {
		c, err := elf.Load(all[name], nil)
		if err != nil {
			continue
		}
		maps := creatable(c.Maps)
		for i := range c.Programs {
			p := &c.Programs[i]
			if !only(p) || len(p.Insns) > 3000 {
				continue
			}
			if k, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID}); err == nil {
				k.Close()
				out = append(out, compiled{name + "/" + p.Name, p, maps})
			}
		}
	}
	return out
}

// mutate changes an offset, a width, a register or a constant of an instruction.
func mutate(rng *rand.Rand, p *spec.Program) *spec.Program {
	q := *p
	q.Insns = slices.Clone(p.Insns)
	for {
		i := rng.IntN(len(q.Insns))
		in := &q.Insns[i]
		class := in.Code & 7
		if in.Code == 0x18 || i > 0 && q.Insns[i-1].Code == 0x18 || class == 5 && in.Code&0xf0 == 0x80 {
			continue
		}
		switch rng.IntN(6) {
		case 0:
			if class < 1 || class > 3 {
				continue
			}
			in.Off += int16([]int{-8, -4, -1, 1, 4, 8, 16, 64, 512}[rng.IntN(9)])
		case 1:
			if class != 1 && class != 3 && class != 2 || in.Code&0xe0 != 0x60 {
				continue
			}
			in.Code = in.Code&^0x18 | uint8(rng.IntN(4)<<3)
		case 2:
			in.Regs = in.Regs&0xf0 | uint8(rng.IntN(11))
		case 3:
			if in.Code&8 == 0 && class != 1 && class != 3 {
				continue
			}
			in.Regs = in.Regs&0x0f | uint8(rng.IntN(11))<<4
		case 4:
			if in.Code&8 != 0 && class >= 4 || class < 4 && class != 2 {
				continue
			}
			in.Imm += int32([]int{-8, -1, 1, 8, 64}[rng.IntN(5)])
		case 5:
			if class != 5 && class != 6 || i+1 >= len(q.Insns) {
				continue
			}
			in.Off = int16(rng.IntN(min(len(q.Insns)-i-1, 20)))
		}
		return &q
	}
}

// TestMutations compares verdicts on mutations of compiled programs whose contexts or helpers have to do with the kernel's
// types. SKEP_VERIFY=N asks for N.
func TestMutations(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	if testing.Short() && os.Getenv("SKEP_VERIFY") == "" {
		t.Skip("takes a while")
	}
	n, seed := 400, uint64(1)
	if s := os.Getenv("SKEP_VERIFY"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("SKEP_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	all := accepted(t, func(p *spec.Program) bool {
		return p.Type == spec.Tracing || p.Type == spec.StructOps || os.Getenv("SKEP_TYPE") == "all"
	})
	if len(all) == 0 {
		t.Skip("no programs")
	}
	rng := rand.New(rand.NewPCG(seed, 8))
	counted := map[string]int{}
	shown := 0
	for range n {
		c := &all[rng.IntN(len(all))]
		p := mutate(rng, c.p)
		_, ours := skep.Verify(p, c.maps, nil)
		k, theirs := kernel.Load(p, c.maps, &kernel.Options{HelperID: helper.ID})
		if theirs == nil {
			k.Close()
		}
		var decode *ir.Error
		switch {
		case errors.Is(ours, skep.ErrNotSupported):
			counted["unsupported: "+ours.Error()]++
		case (ours == nil) == (theirs == nil):
			counted["agree, accepted: "+strconv.FormatBool(ours == nil)]++
		case errors.As(ours, &decode):
			counted["decode only"]++
		default:
			key := "FALSE REJECT"
			if ours == nil {
				key = "FALSE ACCEPT"
			}
			counted[key]++
			if shown++; shown <= 6 {
				at := 0
				for i := range p.Insns {
					if p.Insns[i] != c.p.Insns[i] {
						at = i
					}
				}
				why := ""
				_, err := kernel.Load(p, c.maps, &kernel.Options{HelperID: helper.ID, Log: true})
				var refused *kernel.VerifierError
				if errors.As(err, &refused) {
					why = refused.Error()
				}
				t.Errorf("%s: %s, instruction %d: %v became %v: here %v; in the kernel %v %s", key, c.name, at, c.p.Insns[at], p.Insns[at], ours, theirs, why)
			}
		}
	}
	for k, n := range counted {
		t.Logf("%6d %s", n, k)
	}
}

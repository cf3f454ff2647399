// Implements the kernel functions for sets of processors (struct cpumask, struct bpf_cpumask).

package helper

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/skepbpf/skep/spec"
)

// cpumaskSize is that of a struct bpf_cpumask, with room for 8192 processors and the count of references.
const cpumaskSize = 8192/8 + 8

// maskTypes may work on sets of processors.
var maskTypes = join(tracingHook, []spec.ProgramType{spec.StructOps, spec.Syscall})

// cpuSet is a set: bit c%64 of word c/64 is processor c. Only those that there are count.
type cpuSet []uint64

// cpuSetAt reads a set. What is not there has no processors, as in a structure that programs may only look at.
func (c *Call) cpuSetAt(addr uint64) cpuSet {
	n := c.Env.cpus()
	s := make(cpuSet, (n+63)/64)
	b := make([]byte, 8*len(s))
	if c.readKernel(b, addr) {
		for i := range s {
			s[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
	}
	s.cut(n)
	return s
}

// cut takes out what is no processor.
func (s cpuSet) cut(n uint32) {
	if n%64 != 0 {
		s[len(s)-1] &= 1<<(n%64) - 1
	}
}

func (s cpuSet) weight() (n uint64) {
	for _, w := range s {
		n += uint64(bits.OnesCount64(w))
	}
	return n
}

// first returns the lowest processor of the set, or how many processors there are.
func (s cpuSet) first(n uint32) uint64 {
	for i, w := range s {
		if w != 0 {
			return uint64(64*i + bits.TrailingZeros64(w))
		}
	}
	return uint64(n)
}

// storeCPUs writes a set to one of the program's.
func (c *Call) storeCPUs(addr uint64, s cpuSet) error {
	b, err := c.Bytes(addr, 8*len(s), true)
	if err != nil {
		return fmt.Errorf("the set of processors at %#x is not the program's: %w", addr, err)
	}
	for i, w := range s {
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
	return nil
}

// setCPU changes whether a processor is in a set, and returns whether it was.
func (c *Call) setCPU(addr, cpu uint64, in bool) (uint64, error) {
	if uint32(cpu) >= c.Env.cpus() {
		return 0, nil
	}
	at, bit := addr+uint64(uint32(cpu)/64*8), uint64(1)<<(uint32(cpu)%64)
	b, err := c.Bytes(at, 8, true)
	if err != nil {
		return 0, err
	}
	old := binary.LittleEndian.Uint64(b)
	now := old &^ bit
	if in {
		now |= bit
	}
	binary.LittleEndian.PutUint64(b, now)
	return isTrue(old&bit != 0), nil
}

// The functions by what they take: (cpu, set), (set), (set, set), (to, set, set).

func maskOne(name string, f func(c *Call, s cpuSet) uint64) Helper {
	return Helper{Name: name, Kfunc: true, RCUArgs: true, Args: oneObject, Objects: [MaxArgs]string{"cpumask"},
		Func: func(c *Call, a, _, _, _, _ uint64) (uint64, error) { return f(c, c.cpuSetAt(a)), nil }}
}

func maskTwo(name string, f func(c *Call, a, b cpuSet) uint64) Helper {
	return Helper{Name: name, Kfunc: true, RCUArgs: true, Args: []Arg{Object, Object}, Objects: [MaxArgs]string{"cpumask", "cpumask"},
		Func: func(c *Call, a, b, _, _, _ uint64) (uint64, error) { return f(c, c.cpuSetAt(a), c.cpuSetAt(b)), nil }}
}

func maskCombine(name string, result Result, f func(a, b uint64) uint64) Helper {
	return Helper{Name: name, Kfunc: true, RCUArgs: true, Args: []Arg{Object, Object, Object}, Objects: [MaxArgs]string{"bpf_cpumask", "cpumask", "cpumask"}, Result: result,
		Func: func(c *Call, to, a, b, _, _ uint64) (uint64, error) {
			x, y := c.cpuSetAt(a), c.cpuSetAt(b)
			for i := range x {
				x[i] = f(x[i], y[i])
			}
			if result == Void {
				return 0, c.storeCPUs(to, x)
			}
			return isTrue(x.weight() != 0), c.storeCPUs(to, x)
		}}
}

func maskBit(name, structure string, result Result, f func(c *Call, cpu, set uint64) (uint64, error)) Helper {
	return Helper{Name: name, Kfunc: true, RCUArgs: true, Args: []Arg{Any, Object}, Objects: [MaxArgs]string{1: structure}, Result: result,
		Func: func(c *Call, cpu, set, _, _, _ uint64) (uint64, error) {
			r, err := f(c, cpu, set)
			if result == Void {
				r = 0
			}
			return r, err
		}}
}

func maskFill(name string, all bool) Helper {
	return Helper{Name: name, Kfunc: true, RCUArgs: true, Args: oneObject, Objects: [MaxArgs]string{"bpf_cpumask"}, Result: Void,
		Func: func(c *Call, to, _, _, _, _ uint64) (uint64, error) {
			n := c.Env.cpus()
			s := make(cpuSet, (n+63)/64)
			for i := range s {
				if all {
					s[i] = ^uint64(0)
				}
			}
			s.cut(n)
			return 0, c.storeCPUs(to, s)
		}}
}

func both(a, b cpuSet) cpuSet {
	for i := range a {
		a[i] &= b[i]
	}
	return a
}

var cpuMasks = only(maskTypes, []Helper{
	{Name: "bpf_cpumask_create", Kfunc: true, Result: ResultObject | MayBeNull | Acquires, ResultObject: "bpf_cpumask",
		Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return c.blockAddr(&block{size: cpumaskSize}) }},
	{Name: "bpf_cpumask_acquire", Kfunc: true, TrustedArgs: true, Args: oneObject, Objects: [MaxArgs]string{"bpf_cpumask"}, Result: ResultObject | Acquires, ResultObject: "bpf_cpumask", Func: same},
	{Name: "bpf_cpumask_release", Kfunc: true, Args: []Arg{Object | Releases}, Objects: [MaxArgs]string{"bpf_cpumask"}, Result: Void, Func: nothing},

	maskOne("bpf_cpumask_first", func(c *Call, s cpuSet) uint64 { return s.first(c.Env.cpus()) }),
	maskOne("bpf_cpumask_first_zero", func(c *Call, s cpuSet) uint64 {
		for i := range s {
			s[i] = ^s[i]
		}
		s.cut(c.Env.cpus())
		return s.first(c.Env.cpus())
	}),
	maskTwo("bpf_cpumask_first_and", func(c *Call, a, b cpuSet) uint64 { return both(a, b).first(c.Env.cpus()) }),
	// Where the kernel goes round, the lowest is taken, so that runs are the same every time.
	maskOne("bpf_cpumask_any_distribute", func(c *Call, s cpuSet) uint64 { return s.first(c.Env.cpus()) }),
	maskTwo("bpf_cpumask_any_and_distribute", func(c *Call, a, b cpuSet) uint64 { return both(a, b).first(c.Env.cpus()) }),

	maskBit("bpf_cpumask_set_cpu", "bpf_cpumask", Void, func(c *Call, cpu, set uint64) (uint64, error) { return c.setCPU(set, cpu, true) }),
	maskBit("bpf_cpumask_clear_cpu", "bpf_cpumask", Void, func(c *Call, cpu, set uint64) (uint64, error) { return c.setCPU(set, cpu, false) }),
	maskBit("bpf_cpumask_test_and_set_cpu", "bpf_cpumask", Scalar, func(c *Call, cpu, set uint64) (uint64, error) { return c.setCPU(set, cpu, true) }),
	maskBit("bpf_cpumask_test_and_clear_cpu", "bpf_cpumask", Scalar, func(c *Call, cpu, set uint64) (uint64, error) { return c.setCPU(set, cpu, false) }),
	maskBit("bpf_cpumask_test_cpu", "cpumask", Scalar, func(c *Call, cpu, set uint64) (uint64, error) {
		n := uint32(cpu)
		if n >= c.Env.cpus() {
			return 0, nil
		}
		return c.cpuSetAt(set)[n/64] >> (n % 64) & 1, nil
	}),
	maskFill("bpf_cpumask_setall", true),
	maskFill("bpf_cpumask_clear", false),

	maskCombine("bpf_cpumask_and", Scalar, func(a, b uint64) uint64 { return a & b }),
	maskCombine("bpf_cpumask_or", Void, func(a, b uint64) uint64 { return a | b }),
	maskCombine("bpf_cpumask_xor", Void, func(a, b uint64) uint64 { return a ^ b }),

	maskTwo("bpf_cpumask_equal", func(_ *Call, a, b cpuSet) uint64 {
		same := true
		for i := range a {
			same = same && a[i] == b[i]
		}
		return isTrue(same)
	}),
	maskTwo("bpf_cpumask_intersects", func(_ *Call, a, b cpuSet) uint64 { return isTrue(both(a, b).weight() != 0) }),
	maskTwo("bpf_cpumask_subset", func(_ *Call, a, b cpuSet) uint64 {
		inside := true
		for i := range a {
			inside = inside && a[i]&^b[i] == 0
		}
		return isTrue(inside)
	}),
	maskOne("bpf_cpumask_empty", func(_ *Call, s cpuSet) uint64 { return isTrue(s.weight() == 0) }),
	maskOne("bpf_cpumask_full", func(c *Call, s cpuSet) uint64 { return isTrue(s.weight() == uint64(c.Env.cpus())) }),
	maskOne("bpf_cpumask_weight", func(_ *Call, s cpuSet) uint64 { return s.weight() }),

	{Name: "bpf_cpumask_copy", Kfunc: true, RCUArgs: true, Args: []Arg{Object, Object}, Objects: [MaxArgs]string{"bpf_cpumask", "cpumask"}, Result: Void,
		Func: func(c *Call, to, from, _, _, _ uint64) (uint64, error) { return 0, c.storeCPUs(to, c.cpuSetAt(from)) }},
	{Name: "bpf_cpumask_populate", Kfunc: true, RCUArgs: true, Args: []Arg{Object, Mem, Size}, Objects: [MaxArgs]string{"cpumask"},
		Func: func(c *Call, to, from, size, _, _ uint64) (uint64, error) {
			s := c.cpuSetAt(from)
			if size < uint64(8*len(s)) {
				return eACCES.result32()
			}
			return 0, c.storeCPUs(to, s)
		}},
})

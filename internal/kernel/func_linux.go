// Implements plain functions: code over a piece of memory, wrapped into an XDP program.

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Func is a function in the kernel. Its methods are safe for concurrent use, except Close.
type Func struct {
	prog *Program
	size int // bytes of memory
	r0   int // offset of R0 in the packet
}

// The verdicts of the wrapping program: xdpPass once R0 is in the packet.
const (
	xdpAborted = 0
	xdpPass    = 2
)

// LoadFunc loads code as a function that takes the address of size bytes of memory in R1 and size in R2, or
// 0 and 0 if there is no memory, and returns 64 bits in R0. It becomes a subprogram of an XDP program, with
// the license GPL; the memory is the packet. A function that the kernel refuses gives a *VerifierError.
//
// Being in the kernel, the function has less room than elsewhere: 496 bytes of stack in all frames
// together, 7 nested calls, no atomic operations on the memory, no packet access by LD_ABS and LD_IND, and
// no maps. Code after the function's own, which its local calls reach, comes along.
func LoadFunc(code []isa.Instruction, size int, opts *Options) (*Func, error) {
	if size > MaxFuncMemory {
		return nil, fmt.Errorf("a function in the kernel can have %d bytes of memory, not %d", MaxFuncMemory, size)
	}
	f := &Func{size: size, r0: (max(size, ethernetHeader) + 7) / 8 * 8}
	main := f.main()
	p := &spec.Program{Name: "func", Type: spec.XDP, License: "GPL", Insns: slices.Concat(main, code)}
	prog, err := Load(p, nil, opts)
	if err != nil {
		var refused *VerifierError
		if errors.As(err, &refused) {
			refused.Base = len(main)
		}
		return nil, err
	}
	f.prog = prog
	return f, nil
}

// main returns the wrapping program. The function can reach exactly the memory: bounds for R0 are checked
// only after the call, which makes the packet's address unknown again.
func (f *Func) main() []isa.Instruction {
	const ctxData, ctxEnd = 0, 4 // fields of struct xdp_md
	failed := isa.JGt64Reg.Make(isa.R3, isa.R2, 0, 0)
	var failures []int
	check := func(out []isa.Instruction, size int) []isa.Instruction {
		out = append(out,
			isa.Ldx32.Make(isa.R1, isa.R6, ctxData, 0),
			isa.Ldx32.Make(isa.R2, isa.R6, ctxEnd, 0),
			isa.Mov64Reg.Make(isa.R3, isa.R1, 0, 0),
			isa.Add64Imm.Make(isa.R3, 0, 0, int32(size)))
		failures = append(failures, len(out))
		return append(out, failed)
	}
	out := []isa.Instruction{isa.Mov64Reg.Make(isa.R6, isa.R1, 0, 0)}
	if f.size > 0 {
		out = check(out, f.size)
	} else {
		out = append(out, isa.Mov64Imm.Make(isa.R1, 0, 0, 0))
	}
	out = append(out, isa.Mov64Imm.Make(isa.R2, 0, 0, int32(f.size)))
	call := len(out)
	out = append(out, isa.CallLocal.Make(0, 0, 0, 0))
	out = check(out, f.r0+8)
	out = append(out,
		isa.Stx64.Make(isa.R1, isa.R0, int16(f.r0), 0),
		isa.Mov64Imm.Make(isa.R0, 0, 0, xdpPass),
		isa.Exit.Make(0, 0, 0, 0))
	for _, i := range failures {
		out[i].Off = int16(len(out) - i - 1)
	}
	out = append(out,
		isa.Mov64Imm.Make(isa.R0, 0, 0, xdpAborted),
		isa.Exit.Make(0, 0, 0, 0))
	out[call].Imm = int32(len(out) - call - 1)
	return out
}

// Run calls the function once with a copy of mem, which must have the size it was loaded for. It returns R0
// and the memory as the function left it.
func (f *Func) Run(mem []byte) (r0 uint64, memOut []byte, err error) {
	r0, memOut, _, err = f.Time(mem)
	return r0, memOut, err
}

// Time is Run that also returns how long the call took, as the kernel measured it.
func (f *Func) Time(mem []byte) (r0 uint64, memOut []byte, took time.Duration, err error) {
	if len(mem) != f.size {
		return 0, nil, 0, fmt.Errorf("the function was loaded for %d bytes of memory, not %d", f.size, len(mem))
	}
	packet := make([]byte, f.r0+8)
	copy(packet, mem)
	r, err := f.prog.Run(packet, nil, 1)
	switch {
	case err != nil:
		return 0, nil, 0, err
	case r.Retval != xdpPass || len(r.Data) != len(packet):
		return 0, nil, 0, fmt.Errorf("the kernel gave back %d bytes of %d and the verdict %d, not %d", len(r.Data), len(packet), r.Retval, xdpPass)
	}
	return binary.NativeEndian.Uint64(r.Data[f.r0:]), r.Data[:f.size], r.Duration, nil
}

// Close gives the function back to the kernel.
func (f *Func) Close() error { return f.prog.Close() }

// RunFunc loads a function, runs it once on mem and closes it: LoadFunc and Func.Run in one.
func RunFunc(code []isa.Instruction, mem []byte) (r0 uint64, memOut []byte, err error) {
	f, err := LoadFunc(code, len(mem), &Options{Log: true})
	if err != nil {
		return 0, nil, err
	}
	defer f.Close()
	return f.Run(mem)
}

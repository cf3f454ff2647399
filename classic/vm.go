// Implements the reference interpreter: the readable meaning of classic BPF, not the fast one.

package classic

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

// Env is what a filter can see beside the packet. The zero value is that of a packet filter on processor 0.
type Env struct {
	CPU    uint32        // number of the processor, for ld cpu
	Random func() uint32 // source of ld rand; nil means math/rand/v2

	// Order is the byte order of packet loads. nil means binary.BigEndian, the network's. Seccomp filters
	// read their data in the machine's order: binary.LittleEndian for Skep's machine.
	Order binary.ByteOrder
}

var zeroEnv Env

func (e *Env) random() uint32 {
	if e.Random == nil {
		return rand.Uint32()
	}
	return e.Random()
}

// VM is a checked program, ready to run. It does not change: one VM may run in many goroutines at once.
type VM struct {
	prog []bpf.RawInstruction
}

// NewVM checks prog and returns a VM that runs it. The error is a *CheckError. NewVM keeps a copy of prog.
func NewVM(prog []bpf.RawInstruction) (*VM, error) {
	if err := Check(prog); err != nil {
		return nil, err
	}
	return &VM{prog: append([]bpf.RawInstruction(nil), prog...)}, nil
}

// Run runs the program over a packet and returns its verdict: for a socket filter the number of bytes to
// keep, 0 to drop the packet. A load from outside the packet ends the program with 0, as does a division by
// X while X is 0; shifts by X use its low five bits. Metadata is what p says: where the kernel has no device to
// ask for ifidx and hatype it ends the program at once with A, which p has no way to say. A nil env means the
// zero Env. Run allocates nothing.
func (vm *VM) Run(p *spec.Packet, env *Env) uint32 { return vm.Trace(p, env, nil) }

// Trace is Run that calls visit, if it is not nil, with the number of each instruction before it runs.
func (vm *VM) Trace(p *spec.Packet, env *Env, visit func(pc int)) uint32 {
	if env == nil {
		env = &zeroEnv
	}
	m := machine{packet: p, env: env, order: env.Order}
	if m.order == nil {
		m.order = binary.BigEndian
	}
	for pc := 0; ; pc++ {
		if visit != nil {
			visit(pc)
		}
		in := vm.prog[pc]
		switch row := Lookup(in.Op); row.Kind {
		case KindGoto:
			pc += int(in.K)
		case KindJump:
			if compare(row.Fn, m.a, m.operand(row, in.K)) {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		case KindReturn:
			if row.From == isa.FromImm {
				return in.K
			}
			return m.a
		default:
			if !m.step(row, in.K) {
				return 0
			}
		}
	}
}

// machine is the state of one run.
type machine struct {
	a, x   uint32
	memory [MemoryWords]uint32
	packet *spec.Packet
	env    *Env
	order  binary.ByteOrder
}

func (m *machine) operand(row *Row, k uint32) uint32 {
	if row.From == isa.FromReg {
		return m.x
	}
	return k
}

func (m *machine) register(r Register) *uint32 {
	if r == X {
		return &m.x
	}
	return &m.a
}

// step does an instruction that does not jump. It reports false if that ends the program with 0.
func (m *machine) step(row *Row, k uint32) bool {
	r := m.register(row.Reg)
	switch row.Kind {
	case KindLoadPacket:
		if row.Operand == OperandAbs && k >= firstMetadata {
			m.a = LookupMetadata(k).value(m.packet, m.env, m.a, m.x)
			return true
		}
		if row.From == isa.FromReg {
			k += m.x
		}
		v, ok := m.load(k, row.Size)
		m.a = v
		return ok
	case KindLoadHeader:
		v, ok := m.load(k, row.Size)
		m.x = v & 0xf * 4
		return ok
	case KindLoadImm:
		*r = k
	case KindLoadMem:
		*r = m.memory[k]
	case KindLoadLen:
		*r = uint32(m.packet.Len())
	case KindStore:
		m.memory[k] = *r
	case KindMove:
		if row.Reg == X {
			m.x = m.a
		} else {
			m.a = m.x
		}
	case KindALU:
		operand := m.operand(row, k)
		if operand == 0 && (row.Fn == isa.FnDiv || row.Fn == isa.FnMod) {
			return false
		}
		m.a = compute(row.Fn, m.a, operand)
	default:
		panic("classic: instruction without a meaning: " + row.Name)
	}
	return true
}

// load reads 8, 16 or 32 bits of the packet. Offsets that are negative as signed numbers count from the
// network or the link layer header (bpf_skb_load_helper in the kernel's net/core/filter.c).
func (m *machine) load(k uint32, bits uint8) (uint32, bool) {
	off := int(int32(k))
	switch {
	case off >= 0:
	case off >= NetworkOffset:
		off += m.packet.NetworkOffset - NetworkOffset
	case off >= LinkOffset:
		off -= LinkOffset
	}
	data := m.packet.Data
	if off < 0 || off > len(data)-int(bits/8) {
		return 0, false
	}
	switch bits {
	case 8:
		return uint32(data[off]), true
	case 16:
		return uint32(m.order.Uint16(data[off:])), true
	}
	return m.order.Uint32(data[off:]), true
}

func compute(fn isa.Fn, a, b uint32) uint32 {
	switch fn {
	case isa.FnAdd:
		return a + b
	case isa.FnSub:
		return a - b
	case isa.FnMul:
		return a * b
	case isa.FnDiv:
		return a / b
	case isa.FnMod:
		return a % b
	case isa.FnOr:
		return a | b
	case isa.FnAnd:
		return a & b
	case isa.FnXor:
		return a ^ b
	case isa.FnLsh:
		return a << (b & 31)
	case isa.FnRsh:
		return a >> (b & 31)
	case isa.FnNeg:
		return -a
	}
	panic("classic: operation without a meaning")
}

func compare(fn isa.Fn, a, b uint32) bool {
	switch fn {
	case isa.FnEq:
		return a == b
	case isa.FnGt:
		return a > b
	case isa.FnGe:
		return a >= b
	case isa.FnSet:
		return a&b != 0
	}
	panic("classic: comparison without a meaning")
}

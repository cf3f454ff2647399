// Implements a strict evaluator of translated programs, for the tests of translation.

package classic_test

import (
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// evaluator runs translated programs, straight from the rows of package isa. It is strict where an engine need
// not be: a register or a stack byte that is read before it is written is an error.
type evaluator struct {
	code   []isa.Instruction
	rows   []*isa.Row
	reg    [isa.NumRegisters]uint64
	live   uint16 // registers that hold a value
	stack  [512]byte
	stored [512]bool

	packet  *spec.Packet
	env     *classic.Env
	context []byte // struct __sk_buff, or struct seccomp_data
}

// Addresses of the evaluator's memory.
const (
	contextAddr  = 0x10000
	stackTopAddr = 0x20000
)

func newEvaluator(p *spec.Program) (*evaluator, error) {
	e := &evaluator{code: p.Insns, rows: make([]*isa.Row, len(p.Insns))}
	for i := range p.Insns {
		row, err := isa.Linux.Lookup(p.Insns, i)
		if err != nil {
			return nil, err
		}
		if row.Slots != 1 {
			return nil, fmt.Errorf("instruction %d is wide", i)
		}
		e.rows[i] = row
	}
	return e, nil
}

// appendSkBuff lays out the fields of struct __sk_buff (linux/bpf.h) that translated programs read.
func appendSkBuff(b []byte, p *spec.Packet) []byte {
	swap := func(v uint16) uint32 { return uint32(v>>8 | v<<8) }
	var vlan uint32
	if p.VLANPresent {
		vlan = 1
	}
	for _, v := range [...]uint32{uint32(p.Len()), uint32(p.PktType), p.Mark, p.Queue, swap(p.Protocol), vlan,
		uint32(p.VLANTCI), swap(p.VLANProto), p.Priority, p.IfIndex, p.IfIndex, 0, 0, 0, 0, 0, 0, p.Hash} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

func (e *evaluator) run(p *spec.Packet, env *classic.Env, context []byte) (r0 uint64, err error) {
	e.packet, e.env, e.context = p, env, context
	e.live = 1<<isa.R1 | 1<<isa.R10
	e.reg[isa.R1], e.reg[isa.R10] = contextAddr, stackTopAddr
	clear(e.stored[:])
	for pc, steps := 0, 0; ; pc++ {
		if pc >= len(e.code) || steps > len(e.code) {
			return 0, fmt.Errorf("left the program or looped at %d", pc)
		}
		steps++
		row, in := e.rows[pc], e.code[pc]
		if err := e.readable(row, in); err != nil {
			return 0, fmt.Errorf("instruction %d (%v): %w", pc, row.Op, err)
		}
		operand := uint64(int64(in.Imm))
		if row.From == isa.FromReg {
			operand = e.reg[in.Src()]
		}
		switch row.Kind {
		case isa.KindExit:
			return e.reg[0], nil
		case isa.KindGoto:
			pc += int(in.Off)
		case isa.KindJump:
			if isa.EvalJump(row, e.reg[in.Dst()], operand) {
				pc += int(in.Off)
			}
		case isa.KindALU:
			e.set(in.Dst(), isa.EvalALU(row, e.reg[in.Dst()], operand))
		case isa.KindPacket:
			v, ok := e.load(row, in)
			if !ok {
				return 0, nil
			}
			e.live &^= 0x3e
			e.set(0, uint64(v))
		default:
			if err := e.other(row, in); err != nil {
				return 0, fmt.Errorf("instruction %d (%v): %w", pc, row.Op, err)
			}
		}
	}
}

func (e *evaluator) set(r isa.Register, v uint64) {
	e.reg[r] = v
	e.live |= 1 << r
}

func (e *evaluator) readable(row *isa.Row, in isa.Instruction) error {
	var need uint16
	if row.Reads&isa.RoleDst != 0 {
		need |= 1 << in.Dst()
	}
	if row.Reads&isa.RoleSrc != 0 {
		need |= 1 << in.Src()
	}
	if row.Reads&isa.RoleR0 != 0 {
		need |= 1
	}
	if row.Reads&isa.RoleR6 != 0 {
		need |= 1 << isa.R6
		if e.reg[isa.R6] != contextAddr {
			return fmt.Errorf("r6 is not the context")
		}
	}
	if missing := need &^ e.live; missing != 0 {
		return fmt.Errorf("reads registers %#x that hold nothing", missing)
	}
	return nil
}

// load is what the kernel does for absolute and indirect packet loads.
func (e *evaluator) load(row *isa.Row, in isa.Instruction) (uint32, bool) {
	off := in.Imm
	if row.From == isa.FromReg {
		off += int32(e.reg[in.Src()])
	}
	at, data := int(off), e.packet.Data
	if off < 0 {
		switch {
		case off >= -0x100000:
			at += 0x100000 + e.packet.NetworkOffset
		case off >= -0x200000:
			at += 0x200000
		}
	}
	if at < 0 || at > len(data)-int(row.Size/8) {
		return 0, false
	}
	var v uint32
	for _, b := range data[at : at+int(row.Size/8)] {
		v = v<<8 | uint32(b)
	}
	return v, true
}

func (e *evaluator) other(row *isa.Row, in isa.Instruction) error {
	switch row.Kind {
	case isa.KindLoad:
		addr, size := e.reg[in.Src()]+uint64(int64(in.Off)), uint64(row.Size/8)
		if addr >= contextAddr && addr+size <= contextAddr+uint64(len(e.context)) {
			if size != 4 || addr%4 != 0 {
				return fmt.Errorf("reads the context at %#x", addr)
			}
			e.set(in.Dst(), uint64(binary.LittleEndian.Uint32(e.context[addr-contextAddr:])))
			return nil
		}
		at := addr - (stackTopAddr - 512)
		if at > 512-size || size != 4 || !e.stored[at] || !e.stored[at+3] {
			return fmt.Errorf("reads memory at %#x that holds nothing", addr)
		}
		e.set(in.Dst(), uint64(binary.LittleEndian.Uint32(e.stack[at:])))
	case isa.KindStore:
		at, size := e.reg[in.Dst()]+uint64(int64(in.Off))-(stackTopAddr-512), uint64(row.Size/8)
		if at > 512-size || size != 4 {
			return fmt.Errorf("writes memory outside the stack")
		}
		binary.LittleEndian.PutUint32(e.stack[at:], uint32(e.reg[in.Src()]))
		for i := range size {
			e.stored[at+i] = true
		}
	case isa.KindCall:
		v, err := e.call(in.Imm)
		if err != nil {
			return err
		}
		e.live &^= 0x3e
		e.set(0, uint64(v))
	default:
		return fmt.Errorf("is not of the instructions of a translated program")
	}
	return nil
}

func (e *evaluator) call(id int32) (uint32, error) {
	args := uint16(1 << isa.R1)
	switch id {
	case classic.HelperRandom:
		return e.env.Random(), nil
	case classic.HelperCPU:
		return e.env.CPU, nil
	case helper.ClassicNLAttr, helper.ClassicNLNested:
		args |= 1<<isa.R2 | 1<<isa.R3
	}
	if args&^e.live != 0 || e.reg[isa.R1] != contextAddr {
		return 0, fmt.Errorf("helper %#x lacks arguments", id)
	}
	a, x := uint32(e.reg[isa.R2]), uint32(e.reg[isa.R3])
	switch id {
	case helper.ClassicPayOffset:
		return helper.PayOffset(e.packet), nil
	case helper.ClassicNLAttr:
		return helper.NLAttr(e.packet.Data, a, x), nil
	case helper.ClassicNLNested:
		return helper.NLAttrNested(e.packet.Data, a, x), nil
	case helper.ClassicHWType:
		return uint32(e.packet.HardwareType), nil
	}
	return 0, fmt.Errorf("unknown helper %#x", id)
}

// Implements the reference machine: slow, plain, and built on nothing but the table and isa.Eval.

package enginetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/conformance"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// The reference machine's limits.
const (
	frameSize = 512     // bytes of stack a frame has
	maxFrames = 8       // frames in use at once, the program's own among them
	loopMax   = 1 << 16 // how often the may_goto instructions of a frame fall through; engines have their own number
	stepMax   = 1 << 26 // instructions of a run
)

// Its addresses. Nothing lies near 0 or behind the context.
const (
	stackBase = 0x1000_0000
	dataBase  = 0x2000_0000
	ctxBase   = 0x3000_0000
)

// Reference is a Runner over the reference machine. It needs no testing.TB.
func Reference(_ testing.TB, v Vector) (uint64, error) {
	r0, _, err := Interpret(isa.Linux, v.Program, v.Mem)
	return r0, err
}

// machine is the state of a run.
type machine struct {
	isa    *isa.Set
	code   []isa.Instruction
	pc     int
	regs   [isa.NumRegisters]uint64
	known  uint16 // a bit for each register that holds a value
	stack  [maxFrames * frameSize]byte
	set    [maxFrames * frameSize]bool // bytes of stack that were written since their frame was entered
	frames []frame                     // callers, outermost first
	spent  int                         // may_gotos that fell through in this frame
	data   []byte
	packet bool // data is a packet that only packet instructions reach
}

// frame is what a call keeps for its return.
type frame struct {
	pc    int
	regs  [isa.NumRegisters]uint64
	known uint16
	spent int
}

// Interpret runs a program on the reference machine, with the helpers of package conformance, and returns R0 and the
// memory or packet as it was left. mem is not changed.
func Interpret(set *isa.Set, p *spec.Program, mem []byte) (r0 uint64, left []byte, err error) {
	m := newMachine(set, p, mem)
	if err := m.run(stepMax); err != nil {
		return 0, nil, err
	}
	return m.regs[isa.R0], m.data, nil
}

func newMachine(set *isa.Set, p *spec.Program, mem []byte) *machine {
	m := &machine{isa: set, code: p.Insns, data: append([]byte(nil), mem...), packet: p.Type != spec.Unspec}
	m.write(isa.R10, stackBase+frameSize)
	switch {
	case m.packet:
		m.write(isa.R1, ctxBase)
	case len(mem) > 0:
		m.write(isa.R1, dataBase)
		m.write(isa.R2, uint64(len(mem)))
	default:
		m.write(isa.R1, 0)
		m.write(isa.R2, 0)
	}
	return m
}

// run runs to the end, for at most so many instructions.
func (m *machine) run(steps int) error {
	for range steps {
		at := m.pc
		done, err := m.step()
		if errors.Is(err, helper.ErrExit) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("instruction %d: %w", at, err)
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("no end after %d instructions", steps)
}

func (m *machine) write(r isa.Register, v uint64) {
	m.regs[r] = v
	m.known |= 1 << r
}

// step runs one instruction.
func (m *machine) step() (done bool, err error) {
	if m.pc < 0 || m.pc >= len(m.code) {
		return false, errors.New("outside the program")
	}
	row, err := m.isa.Lookup(m.code, m.pc)
	if err != nil {
		return false, err
	}
	slots := m.code[m.pc : m.pc+row.Slots]
	in := slots[0]
	m.pc += row.Slots
	if err := m.mayRead(row, in); err != nil {
		return false, err
	}
	if row.Writes&isa.RoleDst != 0 && in.Dst() == isa.R10 {
		return false, errors.New("r10 cannot be written")
	}
	operand := uint64(int64(in.Imm))
	if row.From == isa.FromReg {
		operand = m.regs[in.Src()]
	}
	dst, src := m.regs[in.Dst()%isa.NumRegisters], m.regs[in.Src()%isa.NumRegisters]
	to, from := dst+uint64(int64(in.Off)), src+uint64(int64(in.Off))

	switch row.Kind {
	case isa.KindALU:
		m.write(in.Dst(), isa.EvalALU(row, dst, operand))
	case isa.KindLoad, isa.KindLoadAcq:
		v, err := m.load(from, row.Size)
		if err != nil {
			return false, err
		}
		m.write(in.Dst(), isa.EvalLoad(row, v))
	case isa.KindStore, isa.KindStoreRel:
		return false, m.store(to, row.Size, operand)
	case isa.KindAtomic:
		return false, m.atomic(row, in, to)
	case isa.KindJump:
		if isa.EvalJump(row, dst, operand) {
			m.pc += int(in.Off)
		}
	case isa.KindGoto:
		m.pc += int(in.Off) + int(in.Imm) // the table keeps one of them 0
	case isa.KindMayGoto:
		if m.spent++; m.spent > loopMax {
			m.pc += int(in.Off)
		}
	case isa.KindLoadImm:
		if row.Src.Use == isa.Selector {
			return false, errors.New("a wide load of an address that the reference machine does not have")
		}
		m.write(in.Dst(), uint64(uint32(in.Imm))|uint64(uint32(slots[1].Imm))<<32)
	case isa.KindPacket:
		return m.loadPacket(row, in)
	case isa.KindCall:
		return false, m.call(row, in)
	case isa.KindExit:
		return m.exit(), nil
	case isa.KindExtension:
		if v := row.Extension().Eval(dst, src, slots); row.Writes&isa.RoleDst != 0 {
			m.write(in.Dst(), v)
		}
	default:
		return false, errors.New("the reference machine does not know this instruction")
	}
	return false, nil
}

// mayRead checks that the registers the instruction reads hold values.
func (m *machine) mayRead(row *isa.Row, in isa.Instruction) error {
	for _, use := range [...]struct {
		role isa.Roles
		reg  isa.Register
	}{{isa.RoleDst, in.Dst()}, {isa.RoleSrc, in.Src()}, {isa.RoleR0, isa.R0}, {isa.RoleR6, isa.R6}} {
		if row.Reads&use.role != 0 && m.known&(1<<use.reg) == 0 {
			return fmt.Errorf("%s is read before it is written", use.reg)
		}
	}
	return nil
}

// forget makes R1 to R5 unreadable, as after a call.
func (m *machine) forget() { m.known &^= 0x3e }

// Bytes returns memory at an address, for accesses of the program and of helpers.
func (m *machine) Bytes(addr uint64, n int, write bool) ([]byte, error) {
	inside := func(base uint64, b []byte) bool {
		return addr >= base && addr-base <= uint64(len(b)) && uint64(n) <= uint64(len(b))-(addr-base)
	}
	stack := m.stack[:(len(m.frames)+1)*frameSize]
	switch {
	case inside(stackBase, stack):
		set := m.set[addr-stackBase:][:n]
		for i := range set {
			if !set[i] && !write {
				return nil, fmt.Errorf("the stack at r10%+d is read before it is written", int64(addr)+int64(i)-int64(m.regs[isa.R10]))
			}
			set[i] = true
		}
		return stack[addr-stackBase:][:n], nil
	case !m.packet && inside(dataBase, m.data):
		return m.data[addr-dataBase:][:n], nil
	}
	return nil, fmt.Errorf("no memory of %d bytes at address %#x", n, addr)
}

func (m *machine) load(addr uint64, bits uint8) (uint64, error) {
	b, err := m.Bytes(addr, int(bits/8), false)
	if err != nil {
		return 0, err
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:]), nil
}

func (m *machine) store(addr uint64, bits uint8, v uint64) error {
	b, err := m.Bytes(addr, int(bits/8), true)
	if err != nil {
		return err
	}
	var word [8]byte
	binary.LittleEndian.PutUint64(word[:], v)
	copy(b, word[:])
	return nil
}

func (m *machine) atomic(row *isa.Row, in isa.Instruction, addr uint64) error {
	old, err := m.load(addr, row.Size)
	if err != nil {
		return err
	}
	stored := isa.EvalAtomic(row, old, m.regs[in.Src()], m.regs[isa.R0])
	switch {
	case row.Writes&isa.RoleR0 != 0:
		m.write(isa.R0, old)
	case row.Fetch:
		m.write(in.Src(), old)
	}
	return m.store(addr, row.Size, stored)
}

// loadPacket adds index and immediate in 32 bits, as the kernel does, and ends the program with 0 where the
// packet does not reach.
func (m *machine) loadPacket(row *isa.Row, in isa.Instruction) (done bool, err error) {
	if !m.packet || m.regs[isa.R6] != ctxBase {
		return false, errors.New("packet access without the context in r6")
	}
	offset := in.Imm
	if row.From == isa.FromReg {
		offset += int32(m.regs[in.Src()])
	}
	n := int(row.Size / 8)
	if offset < 0 || int(offset)+n > len(m.data) {
		m.write(isa.R0, 0)
		return true, nil
	}
	var v uint64
	for _, b := range m.data[offset:][:n] {
		v = v<<8 | uint64(b)
	}
	m.forget()
	m.write(isa.R0, v)
	return false, nil
}

func (m *machine) call(row *isa.Row, in isa.Instruction) error {
	id := in.Imm
	switch {
	case row.Op == isa.CallLocal:
		if len(m.frames)+1 == maxFrames {
			return fmt.Errorf("call of a function with %d frames in use", maxFrames)
		}
		m.frames = append(m.frames, frame{m.pc, m.regs, m.known, m.spent})
		m.pc += int(in.Imm)
		m.known &= 0x3e
		m.spent = 0
		clear(m.set[len(m.frames)*frameSize:])
		m.write(isa.R10, m.regs[isa.R10]+frameSize)
		return nil
	case row.Op == isa.CallReg:
		id = int32(m.regs[in.Dst()])
	case row.Op != isa.Call:
		return errors.New("a call that the reference machine does not know")
	}
	for _, h := range conformance.Helpers {
		if h.ID != id {
			continue
		}
		v, err := h.Func(&helper.Call{Memory: m}, m.regs[1], m.regs[2], m.regs[3], m.regs[4], m.regs[5])
		m.forget()
		m.write(isa.R0, v)
		if err != nil {
			return fmt.Errorf("helper %s: %w", h.Name, err)
		}
		return nil
	}
	return fmt.Errorf("there is no helper %d", id)
}

// exit returns from the current function and reports whether it was the outermost.
func (m *machine) exit() (done bool) {
	if len(m.frames) == 0 {
		return true
	}
	caller := m.frames[len(m.frames)-1]
	m.frames = m.frames[:len(m.frames)-1]
	r0 := m.regs[isa.R0]
	m.pc, m.regs, m.known, m.spent = caller.pc, caller.regs, caller.known, caller.spent
	m.forget()
	m.write(isa.R0, r0)
	return false
}

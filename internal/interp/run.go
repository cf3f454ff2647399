// Implements the run loop: the common instructions of the table, a case each.

package interp

import (
	"math/bits"
	"unsafe"

	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// run executes the program until its count of instructions reaches m.stop (then m.ip is where to go on), the
// main function exits (then done is true), or something goes wrong. What it has no case for, and each case
// that meets something unusual, goes to step.
//
// The instruction pointer needs no bounds check: decoding proved that every jump lands and that no function
// falls off its end. Jumps keep count: between two of them instructions run in a straight line, so the
// difference of two positions is their number.
//
// The shape is chosen for the compiler: ip stays in a register because it never lives across a call, and a
// continue in every case makes each jump straight to the top.
//
// Map values may be shared with other goroutines as the programs see fit; the race detector must not take
// a program's races for Go's.
//
//go:norace
func (m *Machine) run() (done bool, err error) {
	var (
		ip = m.ip // the next instruction
		in *op
		a  uint64 // address
		v  uint64 // value to store, or what the first half of a pair has computed
	)
	for {
		in = (*op)(ip)
		ip = unsafe.Add(ip, opSize)
		switch in.code {
		// 64-bit arithmetic
		case isa.Add64Imm:
			*m.reg(in.dst) += in.imm
			continue
		case isa.Add64Reg:
			*m.reg(in.dst) += *m.reg(in.src)
			continue
		case isa.Sub64Imm:
			*m.reg(in.dst) -= in.imm
			continue
		case isa.Sub64Reg:
			*m.reg(in.dst) -= *m.reg(in.src)
			continue
		case isa.Mul64Imm:
			*m.reg(in.dst) *= in.imm
			continue
		case isa.Mul64Reg:
			*m.reg(in.dst) *= *m.reg(in.src)
			continue
		case isa.Or64Imm:
			*m.reg(in.dst) |= in.imm
			continue
		case isa.Or64Reg:
			*m.reg(in.dst) |= *m.reg(in.src)
			continue
		case isa.And64Imm:
			*m.reg(in.dst) &= in.imm
			continue
		case isa.And64Reg:
			*m.reg(in.dst) &= *m.reg(in.src)
			continue
		case isa.Xor64Imm:
			*m.reg(in.dst) ^= in.imm
			continue
		case isa.Xor64Reg:
			*m.reg(in.dst) ^= *m.reg(in.src)
			continue
		case isa.Mov64Imm:
			*m.reg(in.dst) = in.imm
			continue
		case isa.Mov64Reg:
			*m.reg(in.dst) = *m.reg(in.src)
			continue
		case isa.Lsh64Imm:
			*m.reg(in.dst) <<= in.imm & 63
			continue
		case isa.Lsh64Reg:
			*m.reg(in.dst) <<= *m.reg(in.src) & 63
			continue
		case isa.Rsh64Imm:
			*m.reg(in.dst) >>= in.imm & 63
			continue
		case isa.Rsh64Reg:
			*m.reg(in.dst) >>= *m.reg(in.src) & 63
			continue
		case isa.Arsh64Imm:
			*m.reg(in.dst) = uint64(int64(*m.reg(in.dst)) >> (in.imm & 63))
			continue
		case isa.Arsh64Reg:
			*m.reg(in.dst) = uint64(int64(*m.reg(in.dst)) >> (*m.reg(in.src) & 63))
			continue
		case isa.Neg64:
			*m.reg(in.dst) = -*m.reg(in.dst)
			continue
		case isa.Div64Imm:
			if v = in.imm; v != 0 {
				*m.reg(in.dst) /= v
			} else {
				*m.reg(in.dst) = 0
			}
			continue
		case isa.Mod64Imm:
			if v = in.imm; v != 0 {
				*m.reg(in.dst) %= v
			}
			continue
		case isa.SDiv64Imm:
			*m.reg(in.dst) = sdiv64(*m.reg(in.dst), in.imm)
			continue
		case isa.SMod64Imm:
			*m.reg(in.dst) = smod64(*m.reg(in.dst), in.imm)
			continue
		case isa.Div64Reg:
			if v = *m.reg(in.src); v != 0 {
				*m.reg(in.dst) /= v
			} else {
				*m.reg(in.dst) = 0
			}
			continue
		case isa.Mod64Reg:
			if v = *m.reg(in.src); v != 0 {
				*m.reg(in.dst) %= v
			}
			continue
		case isa.SDiv64Reg:
			*m.reg(in.dst) = sdiv64(*m.reg(in.dst), *m.reg(in.src))
			continue
		case isa.SMod64Reg:
			*m.reg(in.dst) = smod64(*m.reg(in.dst), *m.reg(in.src))
			continue
		case isa.MovSX8To64:
			*m.reg(in.dst) = uint64(int8(*m.reg(in.src)))
			continue
		case isa.MovSX16To64:
			*m.reg(in.dst) = uint64(int16(*m.reg(in.src)))
			continue
		case isa.MovSX32To64:
			*m.reg(in.dst) = uint64(int32(*m.reg(in.src)))
			continue

		// 32-bit arithmetic
		case isa.Add32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) + uint32(in.imm))
			continue
		case isa.Add32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) + uint32(*m.reg(in.src)))
			continue
		case isa.Sub32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) - uint32(in.imm))
			continue
		case isa.Sub32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) - uint32(*m.reg(in.src)))
			continue
		case isa.Mul32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) * uint32(in.imm))
			continue
		case isa.Mul32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) * uint32(*m.reg(in.src)))
			continue
		case isa.Or32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) | uint32(in.imm))
			continue
		case isa.Or32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) | uint32(*m.reg(in.src)))
			continue
		case isa.And32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) & uint32(in.imm))
			continue
		case isa.And32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) & uint32(*m.reg(in.src)))
			continue
		case isa.Xor32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) ^ uint32(in.imm))
			continue
		case isa.Xor32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) ^ uint32(*m.reg(in.src)))
			continue
		case isa.Mov32Imm:
			*m.reg(in.dst) = uint64(uint32(in.imm))
			continue
		case isa.Mov32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.src)))
			continue
		case isa.Lsh32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) << (in.imm & 31))
			continue
		case isa.Lsh32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) << (*m.reg(in.src) & 31))
			continue
		case isa.Rsh32Imm:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) >> (in.imm & 31))
			continue
		case isa.Rsh32Reg:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) >> (*m.reg(in.src) & 31))
			continue
		case isa.Arsh32Imm:
			*m.reg(in.dst) = uint64(uint32(int32(*m.reg(in.dst)) >> (in.imm & 31)))
			continue
		case isa.Arsh32Reg:
			*m.reg(in.dst) = uint64(uint32(int32(*m.reg(in.dst)) >> (*m.reg(in.src) & 31)))
			continue
		case isa.Neg32:
			*m.reg(in.dst) = uint64(-uint32(*m.reg(in.dst)))
			continue
		case isa.Div32Imm:
			if v := uint32(in.imm); v != 0 {
				*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) / v)
			} else {
				*m.reg(in.dst) = 0
			}
			continue
		case isa.Mod32Imm:
			if v := uint32(in.imm); v != 0 {
				*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) % v)
			} else {
				*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)))
			}
			continue
		case isa.SDiv32Imm:
			*m.reg(in.dst) = sdiv32(uint32(*m.reg(in.dst)), uint32(in.imm))
			continue
		case isa.SMod32Imm:
			*m.reg(in.dst) = smod32(uint32(*m.reg(in.dst)), uint32(in.imm))
			continue
		case isa.Div32Reg:
			if v := uint32(*m.reg(in.src)); v != 0 {
				*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) / v)
			} else {
				*m.reg(in.dst) = 0
			}
			continue
		case isa.Mod32Reg:
			if v := uint32(*m.reg(in.src)); v != 0 {
				*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)) % v)
			} else {
				*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)))
			}
			continue
		case isa.SDiv32Reg:
			*m.reg(in.dst) = sdiv32(uint32(*m.reg(in.dst)), uint32(*m.reg(in.src)))
			continue
		case isa.SMod32Reg:
			*m.reg(in.dst) = smod32(uint32(*m.reg(in.dst)), uint32(*m.reg(in.src)))
			continue
		case isa.MovSX8To32:
			*m.reg(in.dst) = uint64(uint32(int8(*m.reg(in.src))))
			continue
		case isa.MovSX16To32:
			*m.reg(in.dst) = uint64(uint32(int16(*m.reg(in.src))))
			continue

		// Byte order; memory is little endian
		case isa.LE16:
			*m.reg(in.dst) = uint64(uint16(*m.reg(in.dst)))
			continue
		case isa.LE32:
			*m.reg(in.dst) = uint64(uint32(*m.reg(in.dst)))
			continue
		case isa.LE64:
			// nothing to do
			continue
		case isa.BE16, isa.BSwap16:
			*m.reg(in.dst) = uint64(bits.ReverseBytes16(uint16(*m.reg(in.dst))))
			continue
		case isa.BE32, isa.BSwap32:
			*m.reg(in.dst) = uint64(bits.ReverseBytes32(uint32(*m.reg(in.dst))))
			continue
		case isa.BE64, isa.BSwap64:
			*m.reg(in.dst) = bits.ReverseBytes64(*m.reg(in.dst))
			continue

		// Jumps
		case isa.JEq64Imm:
			if *m.reg(in.dst) == in.imm {
				goto jump
			}
			continue
		case isa.JEq64Reg:
			if *m.reg(in.dst) == *m.reg(in.src) {
				goto jump
			}
			continue
		case isa.JGt64Imm:
			if *m.reg(in.dst) > in.imm {
				goto jump
			}
			continue
		case isa.JGt64Reg:
			if *m.reg(in.dst) > *m.reg(in.src) {
				goto jump
			}
			continue
		case isa.JGe64Imm:
			if *m.reg(in.dst) >= in.imm {
				goto jump
			}
			continue
		case isa.JGe64Reg:
			if *m.reg(in.dst) >= *m.reg(in.src) {
				goto jump
			}
			continue
		case isa.JNe64Imm:
			if *m.reg(in.dst) != in.imm {
				goto jump
			}
			continue
		case isa.JNe64Reg:
			if *m.reg(in.dst) != *m.reg(in.src) {
				goto jump
			}
			continue
		case isa.JLt64Imm:
			if *m.reg(in.dst) < in.imm {
				goto jump
			}
			continue
		case isa.JLt64Reg:
			if *m.reg(in.dst) < *m.reg(in.src) {
				goto jump
			}
			continue
		case isa.JLe64Imm:
			if *m.reg(in.dst) <= in.imm {
				goto jump
			}
			continue
		case isa.JLe64Reg:
			if *m.reg(in.dst) <= *m.reg(in.src) {
				goto jump
			}
			continue
		case isa.JSGt64Imm:
			if int64(*m.reg(in.dst)) > int64(in.imm) {
				goto jump
			}
			continue
		case isa.JSGt64Reg:
			if int64(*m.reg(in.dst)) > int64(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSGe64Imm:
			if int64(*m.reg(in.dst)) >= int64(in.imm) {
				goto jump
			}
			continue
		case isa.JSGe64Reg:
			if int64(*m.reg(in.dst)) >= int64(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSLt64Imm:
			if int64(*m.reg(in.dst)) < int64(in.imm) {
				goto jump
			}
			continue
		case isa.JSLt64Reg:
			if int64(*m.reg(in.dst)) < int64(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSLe64Imm:
			if int64(*m.reg(in.dst)) <= int64(in.imm) {
				goto jump
			}
			continue
		case isa.JSLe64Reg:
			if int64(*m.reg(in.dst)) <= int64(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSet64Imm:
			if *m.reg(in.dst)&in.imm != 0 {
				goto jump
			}
			continue
		case isa.JSet64Reg:
			if *m.reg(in.dst)&*m.reg(in.src) != 0 {
				goto jump
			}
			continue
		case isa.JEq32Imm:
			if uint32(*m.reg(in.dst)) == uint32(in.imm) {
				goto jump
			}
			continue
		case isa.JEq32Reg:
			if uint32(*m.reg(in.dst)) == uint32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JGt32Imm:
			if uint32(*m.reg(in.dst)) > uint32(in.imm) {
				goto jump
			}
			continue
		case isa.JGt32Reg:
			if uint32(*m.reg(in.dst)) > uint32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JGe32Imm:
			if uint32(*m.reg(in.dst)) >= uint32(in.imm) {
				goto jump
			}
			continue
		case isa.JGe32Reg:
			if uint32(*m.reg(in.dst)) >= uint32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JNe32Imm:
			if uint32(*m.reg(in.dst)) != uint32(in.imm) {
				goto jump
			}
			continue
		case isa.JNe32Reg:
			if uint32(*m.reg(in.dst)) != uint32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JLt32Imm:
			if uint32(*m.reg(in.dst)) < uint32(in.imm) {
				goto jump
			}
			continue
		case isa.JLt32Reg:
			if uint32(*m.reg(in.dst)) < uint32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JLe32Imm:
			if uint32(*m.reg(in.dst)) <= uint32(in.imm) {
				goto jump
			}
			continue
		case isa.JLe32Reg:
			if uint32(*m.reg(in.dst)) <= uint32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSGt32Imm:
			if int32(*m.reg(in.dst)) > int32(in.imm) {
				goto jump
			}
			continue
		case isa.JSGt32Reg:
			if int32(*m.reg(in.dst)) > int32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSGe32Imm:
			if int32(*m.reg(in.dst)) >= int32(in.imm) {
				goto jump
			}
			continue
		case isa.JSGe32Reg:
			if int32(*m.reg(in.dst)) >= int32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSLt32Imm:
			if int32(*m.reg(in.dst)) < int32(in.imm) {
				goto jump
			}
			continue
		case isa.JSLt32Reg:
			if int32(*m.reg(in.dst)) < int32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSLe32Imm:
			if int32(*m.reg(in.dst)) <= int32(in.imm) {
				goto jump
			}
			continue
		case isa.JSLe32Reg:
			if int32(*m.reg(in.dst)) <= int32(*m.reg(in.src)) {
				goto jump
			}
			continue
		case isa.JSet32Imm:
			if uint32(*m.reg(in.dst))&uint32(in.imm) != 0 {
				goto jump
			}
			continue
		case isa.JSet32Reg:
			if uint32(*m.reg(in.dst))&uint32(*m.reg(in.src)) != 0 {
				goto jump
			}
			continue
		case isa.Goto, isa.GotoLong:
			goto jump
		case isa.MayGoto:
			if m.budget <= 0 {
				goto jump
			}
			m.budget--
			continue

		// Loads and stores
		case isa.Ldx8:
			a = *m.reg(in.src) + uint64(int64(in.off))
			goto load8
		case isa.Ldx16:
			a = *m.reg(in.src) + uint64(int64(in.off))
			goto load16
		case isa.Ldx32:
			a = *m.reg(in.src) + uint64(int64(in.off))
			goto load32
		case isa.Ldx64:
			a = *m.reg(in.src) + uint64(int64(in.off))
			goto load64
		case isa.LdxS8:
			a = *m.reg(in.src) + uint64(int64(in.off))
			goto signed8
		case isa.LdxS16:
			a = *m.reg(in.src) + uint64(int64(in.off))
			goto signed16
		case isa.LdxS32:
			a = *m.reg(in.src) + uint64(int64(in.off))
			goto signed32
		case isa.St8:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), in.imm
			goto store8
		case isa.St16:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), in.imm
			goto store16
		case isa.St32:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), in.imm
			goto store32
		case isa.St64:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), in.imm
			goto store64
		case isa.Stx8:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), *m.reg(in.src)
			goto store8
		case isa.Stx16:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), *m.reg(in.src)
			goto store16
		case isa.Stx32:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), *m.reg(in.src)
			goto store32
		case isa.Stx64:
			a, v = *m.reg(in.dst)+uint64(int64(in.off)), *m.reg(in.src)
			goto store64

		// The stack at fixed offsets
		case opLoadStack8:
			if m.set[in.off>>6&7]>>(in.off&63)&0x1 != 0x1 {
				goto slow
			}
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			*m.reg(in.dst) = uint64(*(*uint8)(p))
			continue
		case opLoadStack16:
			if m.set[in.off>>6&7]>>(in.off&63)&0x3 != 0x3 {
				goto slow
			}
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			*m.reg(in.dst) = uint64(load16(p))
			continue
		case opLoadStack32:
			if m.set[in.off>>6&7]>>(in.off&63)&0xf != 0xf {
				goto slow
			}
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			*m.reg(in.dst) = uint64(load32(p))
			continue
		case opLoadStack64:
			if m.set[in.off>>6&7]>>(in.off&63)&0xff != 0xff {
				goto slow
			}
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			*m.reg(in.dst) = load64(p)
			continue
		case opStoreStack8:
			m.set[in.off>>6&7] |= 0x1 << (in.off & 63)
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			*(*uint8)(p) = uint8(*m.reg(in.src))
			continue
		case opStoreStack16:
			m.set[in.off>>6&7] |= 0x3 << (in.off & 63)
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			store16(p, uint16(*m.reg(in.src)))
			continue
		case opStoreStack32:
			m.set[in.off>>6&7] |= 0xf << (in.off & 63)
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			store32(p, uint32(*m.reg(in.src)))
			continue
		case opStoreStack64:
			m.set[in.off>>6&7] |= 0xff << (in.off & 63)
			p := unsafe.Pointer(&m.mem[in.off&(mem.FrameSize-1)])
			store64(p, *m.reg(in.src))
			continue

		// Wide loads; those of maps, variables and functions were resolved to numbers
		case isa.LdImm64:
			*m.reg(in.dst) = in.imm
			continue

		// Packet access
		case isa.LdAbs8:
			a = uint64(uint32(in.imm))
			goto packet8
		case isa.LdInd8:
			a = uint64(uint32(in.imm) + uint32(*m.reg(in.src)))
			goto packet8
		case isa.LdAbs16:
			a = uint64(uint32(in.imm))
			goto packet16
		case isa.LdInd16:
			a = uint64(uint32(in.imm) + uint32(*m.reg(in.src)))
			goto packet16
		case isa.LdAbs32:
			a = uint64(uint32(in.imm))
			goto packet32
		case isa.LdInd32:
			a = uint64(uint32(in.imm) + uint32(*m.reg(in.src)))
			goto packet32

		// Pairs: two instructions that often follow each other, for one dispatch. Each ends the first half with
		// in and ip at the second, so that faults name the right one.
		case opMov64RegAdd64Reg:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + *m.reg(in.src)
			continue
		case opMov64RegAdd64Imm:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + in.imm
			continue
		case opMov64RegSub64Reg:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v - *m.reg(in.src)
			continue
		case opMov64RegLsh64Imm:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v << (in.imm & 63)
			continue
		case opMov64RegRsh64Imm:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v >> (in.imm & 63)
			continue
		case opMov64RegArsh64Imm:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = uint64(int64(v) >> (in.imm & 63))
			continue
		case opMov64RegAnd64Imm:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v & in.imm
			continue
		case opMov64RegAnd64Reg:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v & *m.reg(in.src)
			continue
		case opMov64RegOr64Reg:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v | *m.reg(in.src)
			continue
		case opMov64RegXor64Reg:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v ^ *m.reg(in.src)
			continue
		case opMov64RegMul64Reg:
			v = *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v * *m.reg(in.src)
			continue
		case opMov64RegJLt64Reg:
			v = *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if v < *m.reg(in.src) {
				goto jump
			}
			continue
		case opMov64RegJGt64Reg:
			v = *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if v > *m.reg(in.src) {
				goto jump
			}
			continue
		case opMov32RegAnd32Imm:
			v = uint64(uint32(*m.reg(in.src)))
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = uint64(uint32(v) & uint32(in.imm))
			continue
		case opMov32RegRsh32Imm:
			v = uint64(uint32(*m.reg(in.src)))
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = uint64(uint32(v) >> (in.imm & 31))
			continue
		case opAdd64ImmMov64Reg:
			v = *m.reg(in.dst) + in.imm
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v
			continue
		case opAdd64ImmJLt64Reg:
			v = *m.reg(in.dst) + in.imm
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if v < *m.reg(in.src) {
				goto jump
			}
			continue
		case opAdd64ImmJNe64Imm:
			v = *m.reg(in.dst) + in.imm
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if v != in.imm {
				goto jump
			}
			continue
		case opAdd64ImmJEq64Imm:
			v = *m.reg(in.dst) + in.imm
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if v == in.imm {
				goto jump
			}
			continue
		case opAdd64RegLdx8:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			a = v + uint64(int64(in.off))
			goto load8
		case opAdd64RegLdx16:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			a = v + uint64(int64(in.off))
			goto load16
		case opAdd64RegLdx32:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			a = v + uint64(int64(in.off))
			goto load32
		case opAdd64RegLdx64:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			a = v + uint64(int64(in.off))
			goto load64
		case opAdd64RegStx8:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			a, v = v+uint64(int64(in.off)), *m.reg(in.src)
			goto store8
		case opAdd64RegStx32:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			a, v = v+uint64(int64(in.off)), *m.reg(in.src)
			goto store32
		case opAdd64RegStx64:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			a, v = v+uint64(int64(in.off)), *m.reg(in.src)
			goto store64
		case opAdd64RegAdd64Imm:
			v = *m.reg(in.dst) + *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + in.imm
			continue
		case opAdd64RegMov64Reg:
			v = *m.reg(in.dst) + *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v
			continue
		case opAdd64RegXor64Reg:
			v = *m.reg(in.dst) + *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v ^ *m.reg(in.src)
			continue
		case opLsh64ImmRsh64Imm:
			v = *m.reg(in.dst) << (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v >> (in.imm & 63)
			continue
		case opLsh64ImmArsh64Imm:
			v = *m.reg(in.dst) << (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = uint64(int64(v) >> (in.imm & 63))
			continue
		case opLsh64ImmOr64Reg:
			v = *m.reg(in.dst) << (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v | *m.reg(in.src)
			continue
		case opLsh64ImmAdd64Reg:
			v = *m.reg(in.dst) << (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + *m.reg(in.src)
			continue
		case opRsh64ImmOr64Reg:
			v = *m.reg(in.dst) >> (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v | *m.reg(in.src)
			continue
		case opRsh64ImmAnd64Imm:
			v = *m.reg(in.dst) >> (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v & in.imm
			continue
		case opRsh64ImmAnd64Reg:
			v = *m.reg(in.dst) >> (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v & *m.reg(in.src)
			continue
		case opRsh64ImmAdd64Reg:
			v = *m.reg(in.dst) >> (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + *m.reg(in.src)
			continue
		case opRsh64ImmXor64Reg:
			v = *m.reg(in.dst) >> (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v ^ *m.reg(in.src)
			continue
		case opRsh64ImmLsh64Imm:
			v = *m.reg(in.dst) >> (in.imm & 63)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v << (in.imm & 63)
			continue
		case opXor64RegMul64Reg:
			v = *m.reg(in.dst) ^ *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v * *m.reg(in.src)
			continue
		case opXor64RegAdd64Reg:
			v = *m.reg(in.dst) ^ *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + *m.reg(in.src)
			continue
		case opXor64RegMov64Reg:
			v = *m.reg(in.dst) ^ *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v
			continue
		case opOr64RegMov64Reg:
			v = *m.reg(in.dst) | *m.reg(in.src)
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v
			continue
		case opOr64RegXor64Reg:
			v = *m.reg(in.dst) | *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v ^ *m.reg(in.src)
			continue
		case opMul64RegAdd64Imm:
			v = *m.reg(in.dst) * *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + in.imm
			continue
		case opMul64RegAdd64Reg:
			v = *m.reg(in.dst) * *m.reg(in.src)
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			*m.reg(in.dst) = v + *m.reg(in.src)
			continue
		case opAnd32ImmJEq32Imm:
			v = uint64(uint32(*m.reg(in.dst)) & uint32(in.imm))
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if uint32(v) == uint32(in.imm) {
				goto jump
			}
			continue
		case opAnd32ImmJNe32Imm:
			v = uint64(uint32(*m.reg(in.dst)) & uint32(in.imm))
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if uint32(v) != uint32(in.imm) {
				goto jump
			}
			continue
		case opAnd64ImmJEq64Imm:
			v = *m.reg(in.dst) & in.imm
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if v == in.imm {
				goto jump
			}
			continue
		case opAnd64ImmJNe64Imm:
			v = *m.reg(in.dst) & in.imm
			*m.reg(in.dst) = v
			in, ip = (*op)(ip), unsafe.Add(ip, opSize)
			if v != in.imm {
				goto jump
			}
			continue

		case isa.Exit:
			m.ip = ip
			if m.depth == m.floor {
				return true, nil
			}
			m.pop()
			goto arrived
		}

		goto slow

	load8:
		if g := m.Space.At(a); a-g.Base+1 <= g.N && (g.Base != mem.Stack || *m.Space.Marks(a)>>(a&63)&0x1 == 0x1) {
			*m.reg(in.dst) = uint64(*(*uint8)(g.Ptr(a)))
			continue
		}
		goto slow
	load16:
		if g := m.Space.At(a); a-g.Base+2 <= g.N && (g.Base != mem.Stack || *m.Space.Marks(a)>>(a&63)&0x3 == 0x3) {
			*m.reg(in.dst) = uint64(load16(g.Ptr(a)))
			continue
		}
		goto slow
	load32:
		if g := m.Space.At(a); a-g.Base+4 <= g.N && (g.Base != mem.Stack || *m.Space.Marks(a)>>(a&63)&0xf == 0xf) {
			*m.reg(in.dst) = uint64(load32(g.Ptr(a)))
			continue
		}
		goto slow
	load64:
		if g := m.Space.At(a); a-g.Base+8 <= g.N && (g.Base != mem.Stack || *m.Space.Marks(a)>>(a&63)&0xff == 0xff) {
			*m.reg(in.dst) = load64(g.Ptr(a))
			continue
		}
		goto slow
	signed8:
		if g := m.Space.At(a); a-g.Base+1 <= g.N && (g.Base != mem.Stack || *m.Space.Marks(a)>>(a&63)&0x1 == 0x1) {
			*m.reg(in.dst) = uint64(*(*int8)(g.Ptr(a)))
			continue
		}
		goto slow
	signed16:
		if g := m.Space.At(a); a-g.Base+2 <= g.N && (g.Base != mem.Stack || *m.Space.Marks(a)>>(a&63)&0x3 == 0x3) {
			*m.reg(in.dst) = uint64(int16(load16(g.Ptr(a))))
			continue
		}
		goto slow
	signed32:
		if g := m.Space.At(a); a-g.Base+4 <= g.N && (g.Base != mem.Stack || *m.Space.Marks(a)>>(a&63)&0xf == 0xf) {
			*m.reg(in.dst) = uint64(int32(load32(g.Ptr(a))))
			continue
		}
		goto slow
	store8:
		if g := m.Space.At(a); a-g.Base+1 <= g.W && (g.Base != mem.Stack || a&63 <= 63) {
			if g.Base == mem.Stack {
				*m.Space.Marks(a) |= 0x1 << (a & 63)
			}
			*(*uint8)(g.Ptr(a)) = uint8(v)
			continue
		}
		goto slow
	store16:
		if g := m.Space.At(a); a-g.Base+2 <= g.W && (g.Base != mem.Stack || a&63 <= 62) {
			if g.Base == mem.Stack {
				*m.Space.Marks(a) |= 0x3 << (a & 63)
			}
			store16(g.Ptr(a), uint16(v))
			continue
		}
		goto slow
	store32:
		if g := m.Space.At(a); a-g.Base+4 <= g.W && (g.Base != mem.Stack || a&63 <= 60) {
			if g.Base == mem.Stack {
				*m.Space.Marks(a) |= 0xf << (a & 63)
			}
			store32(g.Ptr(a), uint32(v))
			continue
		}
		goto slow
	store64:
		if g := m.Space.At(a); a-g.Base+8 <= g.W && (g.Base != mem.Stack || a&63 <= 56) {
			if g.Base == mem.Stack {
				*m.Space.Marks(a) |= 0xff << (a & 63)
			}
			store64(g.Ptr(a), v)
			continue
		}
		goto slow

	packet8:
		if p := m.Packet; a+1 <= uint64(len(p)) && m.r[isa.R6] == m.CtxAddr {
			m.r[isa.R0] = uint64(p[a])
			continue
		}
		goto slow
	packet16:
		if p := m.Packet; a+2 <= uint64(len(p)) && m.r[isa.R6] == m.CtxAddr {
			m.r[isa.R0] = uint64(bits.ReverseBytes16(load16(unsafe.Pointer(&p[a]))))
			continue
		}
		goto slow
	packet32:
		if p := m.Packet; a+4 <= uint64(len(p)) && m.r[isa.R6] == m.CtxAddr {
			m.r[isa.R0] = uint64(bits.ReverseBytes32(load32(unsafe.Pointer(&p[a]))))
			continue
		}
		goto slow

	slow:
		m.ip = ip
		if done, err := m.step(in); done || err != nil {
			return done, err
		}
		goto arrived

	arrived: // at m.ip, perhaps by a jump
		ip = m.ip
		if m.ran >= m.stop {
			return false, nil
		}
		continue

	jump:
		m.ran += uintptr(ip) - m.base
		ip = unsafe.Add(ip, in.off)
		m.base = uintptr(ip)
		if m.ran >= m.stop {
			m.ip = ip
			return false, nil
		}
	}
}

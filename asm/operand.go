// Implements the reading of operands: registers, numbers, offsets, jump targets, names.

package asm

import (
	"fmt"
	"math"
	"strings"

	"github.com/skepbpf/skep/isa"
)

// operands is what the operands of a statement said, field by field.
type operands struct {
	dst, src isa.Register
	off      int16
	imm      int32
	next     [3]int32 // immediates of the further slots

	label  token    // name of the jump's or call's target, if it has one
	fix    fixField // where its distance goes
	symbol token    // name of a map, helper or kernel function
	refers place    // which of these: placeMap, placeHelper, placeKfunc or none
}

// fixField is the field that a label's distance is written to.
type fixField uint8

const (
	fixNone fixField = iota
	fixOff
	fixImm
)

// numberRange is the range of values that a field takes. Fields that programs use signed and unsigned take both.
type numberRange struct {
	lo   int64
	hi   uint64
	what string
}

var (
	range16  = numberRange{math.MinInt16, math.MaxInt16, "16 bits (-32768 to 32767)"}
	rangeU16 = numberRange{0, math.MaxUint16, "16 bits (0 to 65535)"}
	range32  = numberRange{math.MinInt32, math.MaxUint32, "32 bits (-2147483648 to 4294967295)"}
	rangeU32 = numberRange{0, math.MaxUint32, "32 bits (0 to 4294967295)"}
	rangeS32 = numberRange{math.MinInt32, math.MaxInt32, "32 bits (-2147483648 to 2147483647)"}
	range64  = numberRange{math.MinInt64, math.MaxUint64, "64 bits (-2^63 to 2^64-1)"}
)

// number reads an optional minus sign and a number at token i.
func (p *parser) number(i int, r numberRange) (v int64, next int, ok bool) {
	neg := p.tok(i).is("-")
	if neg {
		if i++; p.tok(i).kind != tokNumber {
			p.expect(i, "a number")
		}
	}
	return p.magnitude(i, neg, r)
}

// magnitude reads the number after a sign.
func (p *parser) magnitude(i int, neg bool, r numberRange) (v int64, next int, ok bool) {
	t := p.tok(i)
	if t.kind != tokNumber {
		return 0, i, false
	}
	v, ok = t.signed(neg, r.lo, r.hi)
	if !ok {
		sign := ""
		if neg {
			sign = "-"
		}
		p.object(i, i+1, fmt.Sprintf("%s%s does not fit %s", sign, clip(t.text), r.what))
	}
	return v, i + 1, ok
}

// distance reads a number with a sign that must be there: +5 or -3.
func (p *parser) distance(i int, r numberRange) (v int64, next int, ok bool) {
	if t := p.tok(i); !t.is("+") && !t.is("-") {
		return 0, i, false
	}
	if p.tok(i+1).kind != tokNumber {
		p.expect(i+1, "a number")
	}
	return p.magnitude(i+1, p.tok(i).is("-"), r)
}

// registerNumber returns the number of a register written r1, w1, R1 or %r1, even if there is none of that number.
func registerNumber(s string) (int, bool) {
	s = strings.TrimPrefix(s, "%")
	if len(s) < 2 || len(s) > 3 || !strings.Contains("rwRW", s[:1]) || !isDigit(s[1]) || !isDigit(s[len(s)-1]) {
		return 0, false
	}
	n := 0
	for _, c := range s[1:] {
		n = n*10 + int(c-'0')
	}
	return n, len(s) == 2 || s[1] != '0'
}

// register reads a register whose name starts with one of letters.
func (p *parser) register(i int, letters string) (isa.Register, int, bool) {
	t := p.tok(i)
	n, ok := registerNumber(t.text)
	if t.kind != tokWord || !ok {
		return 0, i, false
	}
	name := t.text
	if p.style == styleMnemonic {
		name = strings.ToLower(strings.TrimPrefix(name, "%"))
	}
	if !strings.ContainsRune(letters, rune(name[0])) {
		return 0, i, false
	}
	if n >= isa.NumRegisters {
		p.object(i, i+1, fmt.Sprintf("there is no register %s, the last is %s10", t.text, t.text[:strings.IndexAny(t.text, "rwRW")+1]))
		return 0, i, false
	}
	return isa.Register(n), i + 1, true
}

// operand reads the operand of edge e at token i into o. It returns the token after it.
func (p *parser) operand(e edge, i int, o *operands) (int, bool) {
	var v int64
	next, ok := i, false
	switch e.place {
	case placeDst, placeWDst, placeXDst:
		return p.registerOperand(e, i, &o.dst)
	case placeSrc, placeWSrc, placeXSrc:
		return p.registerOperand(e, i, &o.src)
	case placeR0:
		return i + 1, p.tok(i).is("r0")
	case placeW0:
		return i + 1, p.tok(i).is("w0")
	case placeImm:
		v, next, ok = p.number(i, range32)
		o.imm = int32(v)
	case placeImm64:
		v, next, ok = p.number(i, range64)
		o.imm, o.next[0] = int32(v), int32(v>>32)
	case placeValOff:
		v, next, ok = p.number(i, range32)
		o.next[0] = int32(v)
	case placeOff16:
		v, next, ok = p.number(i, range16)
		o.off = int16(v)
	case placeOff, placeOff32:
		return p.offset(e.place, i, o)
	case placeImms:
		return p.immediates(e.slots, i, o)
	case placeJump, placeLongJump, placeFunc:
		return p.target(e.place, i, o)
	case placeHelper:
		return p.helper(i, o)
	case placeKfunc:
		return p.kfunc(i, o)
	case placeMap:
		return p.mapOperand(i, o)
	case placeVar:
		return p.variable(i, o)
	case placeSpaces:
		return p.spaces(i, o)
	}
	return next, ok
}

// registerOperand reads a register into reg, or checks it against reg if the spelling names it twice.
func (p *parser) registerOperand(e edge, i int, reg *isa.Register) (int, bool) {
	letters := "r"
	switch e.place {
	case placeWDst, placeWSrc:
		letters = "w"
	case placeXDst, placeXSrc:
		letters = "rw"
	}
	r, next, ok := p.register(i, letters)
	if ok && e.repeat && r != *reg {
		p.object(i, i+1, fmt.Sprintf("this must be the same register as before, %s%d", letters, *reg))
		return i, false
	}
	*reg = r
	return next, ok
}

// offset reads a memory offset with its sign, or nothing for 0.
func (p *parser) offset(pl place, i int, o *operands) (int, bool) {
	if t := p.tok(i); !t.is("+") && !t.is("-") {
		p.expect(i, "an offset such as +8")
		return i, true
	}
	if pl == placeOff32 {
		v, next, ok := p.distance(i, range32)
		o.imm = int32(v)
		return next, ok
	}
	v, next, ok := p.distance(i, range16)
	o.off = int16(v)
	return next, ok
}

// immediates reads the n immediates of an extension instruction.
func (p *parser) immediates(n, i int, o *operands) (int, bool) {
	for slot := range n {
		if slot > 0 {
			if !p.tok(i).is(",") {
				p.expect(i, `","`)
				return i, false
			}
			i++
		}
		v, next, ok := p.number(i, range32)
		if !ok {
			p.expect(i, "a number")
			return i, false
		}
		i = next
		if slot == 0 {
			o.imm = int32(v)
		} else {
			o.next[slot-1] = int32(v)
		}
	}
	return i, true
}

// target reads a jump or call target: a label, a distance such as +5, or pc+5.
func (p *parser) target(pl place, i int, o *operands) (int, bool) {
	r, set := range16, func(v int64) { o.off = int16(v) }
	fix := fixOff
	if pl != placeJump {
		r, set = rangeS32, func(v int64) { o.imm = int32(v) }
		fix = fixImm
	}
	start := i
	t := p.tok(i)
	if sign := p.tok(i + 1); t.is("pc") && t.kind == tokWord && (sign.is("+") || sign.is("-")) {
		i++
	}
	if t = p.tok(i); t.is("+") || t.is("-") {
		v, next, ok := p.distance(i, r)
		set(v)
		return next, ok
	}
	switch {
	case t.kind == tokNumber && pl == placeFunc && p.head.row != nil:
		// llvm-objdump leaves out the plus sign; the instruction's bytes on the line say that it is a distance.
		v, next, ok := p.magnitude(i, false, r)
		set(v)
		return next, ok
	case !t.name():
		return start, false
	case !p.isLabel(t.text):
		p.object(i, i+1, fmt.Sprintf("there is no label %s", t.show()))
		return start, false
	}
	o.label, o.fix = t, fix
	return i + 1, true
}

// helper reads a helper: its number, its name, or both as name#5.
func (p *parser) helper(i int, o *operands) (int, bool) {
	explicit := p.tok(i).is("helper")
	if explicit {
		i++
		p.expect(i, placeHelper.describe(p.style))
	}
	t := p.tok(i)
	if t.kind == tokNumber {
		v, next, ok := p.number(i, rangeU32)
		o.imm = int32(v)
		return next, ok
	}
	if !t.name() {
		return i, false
	}
	if _, reg := registerNumber(t.text); t.kind == tokWord && (reg || reserved[t.text]) {
		return i, false
	}
	id, known := p.helperID(t.text)
	if p.tok(i + 1).is("#") {
		v, next, ok := p.number(i+2, rangeU32)
		if ok && known && id != int32(v) {
			p.object(i, next, fmt.Sprintf("helper %s has number %d, not %d", t.show(), id, v))
			return i, false
		}
		o.imm = int32(v)
		return next, ok
	}
	if !explicit && p.isLabel(t.text) {
		return i, false
	}
	if known {
		o.imm = id
	} else {
		o.symbol, o.refers = t, placeHelper
	}
	return i + 1, true
}

// kfunc reads a kernel function: its name or its BTF id, and the module's index if it is in one.
func (p *parser) kfunc(i int, o *operands) (int, bool) {
	if t := p.tok(i); t.name() {
		o.symbol, o.refers = t, placeKfunc
		i++
	} else {
		v, next, ok := p.number(i, range32)
		if !ok {
			return next, false
		}
		o.imm, i = int32(v), next
	}
	if !p.tok(i).is("module") {
		p.expect(i, `"module"`)
		return i, true
	}
	v, next, ok := p.number(i+1, range16)
	if !ok {
		p.expect(i+1, "a number")
	}
	o.off = int16(v)
	return next, ok
}

// tagged reads a number after a word and a colon, such as fd:5.
func (p *parser) tagged(i int, tag string, v *int32) (int, bool) {
	if !p.tok(i).is(tag) {
		p.expect(i, `"`+tag+`:"`)
		return i, false
	}
	if !p.tok(i + 1).is(":") {
		p.expect(i+1, `":"`)
		return i, false
	}
	n, next, ok := p.number(i+2, range32)
	if !ok {
		p.expect(i+2, "a number")
	}
	*v = int32(n)
	return next, ok
}

// mapOperand reads a map: its name, or its descriptor as fd:5 (id:5 in bpftool's dumps).
func (p *parser) mapOperand(i int, o *operands) (int, bool) {
	t := p.tok(i)
	if p.tok(i + 1).is(":") {
		if t.is("id") {
			return p.tagged(i, "id", &o.imm)
		}
		return p.tagged(i, "fd", &o.imm)
	}
	if !t.name() {
		return i, false
	}
	o.symbol, o.refers = t, placeMap
	return i + 1, true
}

// variable reads a kernel variable: its BTF id, and the descriptor of its module's BTF if it is in one.
func (p *parser) variable(i int, o *operands) (int, bool) {
	next, ok := p.tagged(i, "id", &o.imm)
	if !ok || !p.tok(next).is("fd") {
		return next, ok
	}
	return p.tagged(next, "fd", &o.next[0])
}

// spaces reads a destination and a source address space.
func (p *parser) spaces(i int, o *operands) (int, bool) {
	dst, next, ok := p.number(i, rangeU16)
	if !ok {
		return next, false
	}
	if !p.tok(next).is(",") {
		p.expect(next, `","`)
		return next, false
	}
	src, next, ok := p.number(next+1, rangeU16)
	if !ok {
		p.expect(next, "a number")
	}
	o.imm = int32(uint32(dst)<<16 | uint32(src))
	return next, ok
}

// Implements the statements of generated programs that call functions: the program's own, and helpers of all kinds.

package verify

import (
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// local calls a function of the program, an earlier one if its arguments can be given.
func (g *gen) local() {
	if g.nested >= 6 && !g.careless() || len(g.functions) > 12 {
		return
	}
	var f *function
	if n := len(g.functions); n > 0 && g.one(3) {
		if f = g.functions[n-1-g.pick(min(n, 3))]; f.start >= 0 && !g.careless() || f.back || f.depth <= g.nested {
			f = nil
		}
	}
	if f == nil {
		f = &function{start: -1, depth: g.nested + 1, hi: 1}
		for i := range f.params {
			f.params[i] = g.argumentValue()
		}
		g.functions = append(g.functions, f)
	}
	frozen := g.frozen
	for i, h := range f.params {
		r := isa.R1 + isa.Register(i)
		if g.isFrozen(r) {
			g.frozen = frozen
			return
		}
		if !g.pass(r, h) {
			g.frozen = frozen
			return
		}
		g.frozen |= 1 << r
	}
	g.frozen = frozen
	f.refs = append(f.refs, len(g.code))
	g.emit(isa.CallLocal.Make(0, 0, 0, 0))
	g.called()
	g.set(0, unknown())
	for n := range g.stk { // it may have written there
		if g.stk[n].kind == number {
			g.stk[n] = unknown()
		}
	}
}

// argumentValue chooses what a function gets in a register.
func (g *gen) argumentValue() held {
	switch g.pick(6) {
	case 0:
		return held{kind: context}
	case 1:
		return held{kind: memory, size: 32, where: inStack}
	case 2:
		if rs := g.with(memory, func(h *held) bool { return h.where != inStack }); len(rs) > 0 {
			return g.regs[choose(g, rs...)]
		}
	case 3:
		return held{}
	}
	return unknown()
}

// pass puts something into a register.
func (g *gen) pass(r isa.Register, h held) bool {
	switch h.kind {
	case nothing:
	case number:
		if g.one(2) {
			g.copyReg(r, g.num())
		} else {
			g.constant(r, g.imm())
		}
	case memory:
		if h.where == inStack {
			for n := 4; n < 8; n++ {
				if g.stk[n].kind != number {
					if g.loops > 0 && g.stk[n].kind != nothing {
						return false
					}
					g.emit(isa.St64.Make(isa.R10, 0, int16(-8*(n+1)), g.imm()))
					g.stk[n] = unknown()
				}
			}
			g.emit(isa.Mov64Reg.Make(r, isa.R10, 0, 0), isa.Add64Imm.Make(r, 0, 0, -64))
			g.set(r, h)
			return true
		}
		fallthrough
	default:
		rs := g.with(h.kind, func(x *held) bool { return join(*x, h) == h })
		if len(rs) == 0 {
			return false
		}
		g.copyReg(r, choose(g, rs...))
	}
	return true
}

// writeFunctions emits the functions that were called, and those that they call.
func (g *gen) writeFunctions() {
	for i := 0; i < len(g.functions) && len(g.code) < 6000; i++ {
		f := g.functions[i]
		if f.start >= 0 {
			continue
		}
		f.start = len(g.code)
		g.inside, g.nested = f, f.depth
		g.regs, g.stk = [11]held{}, [8]held{}
		g.frozen, g.loops, g.held, g.leaves = 0, 0, 0, nil
		for n, h := range f.params {
			g.set(isa.R1+isa.Register(n), h)
		}
		if g.regs[1].kind == context {
			g.copyReg(isa.R6, isa.R1)
			g.frozen = 1 << isa.R6
		}
		for _, r := range []isa.Register{0, 7, 8, 9} {
			if src := isa.Register(g.pick(6)); g.regs[src].kind != nothing && g.one(2) {
				g.copyReg(r, src)
			} else {
				g.constant(r, g.imm())
			}
		}
		g.depth, g.budget = 2, 2+g.pick(6)
		g.block(6)
		g.exit()
	}
	for _, f := range g.functions {
		for _, at := range f.refs {
			g.code[at].Imm = int32(f.start - at - 1)
		}
	}
}

// callback calls a helper that calls a function of the program.
func (g *gen) callback() {
	if g.held > 0 || g.nested > 3 || len(g.functions) > 8 {
		return
	}
	for r := isa.R0; r <= isa.R5; r++ {
		if g.isFrozen(r) {
			return
		}
	}
	f := &function{start: -1, back: true, depth: g.nested + 1, hi: 1}
	each := g.one(2)
	if !g.may("loop") {
		return
	}
	pointer := held{kind: memory, size: 32, where: inStack}
	switch {
	case each:
		m := g.mapNamed(choose(g, "hash", "array", "lru", "percpu"))
		f.params = [5]held{{}, {kind: memory, size: 4, where: inKey, readOnly: true}, {kind: memory, size: int(g.maps[m].ValueSize), where: inValue, m: m}}
		g.mapLoad(isa.R1, m)
	case g.one(3):
		g.copyReg(isa.R1, g.num())
	default:
		g.constant(isa.R1, int32(g.pick(20)))
	}
	at := 1
	if each {
		at = 3
	} else {
		f.params[0] = unknown()
	}
	f.refs = append(f.refs, len(g.code))
	g.emit(isa.LdFunc.Make(isa.R2, 0, 0, 0), isa.Instruction{})
	g.set(isa.R2, held{})
	g.frozen |= 1<<isa.R1 | 1<<isa.R2
	if g.one(2) || !g.pass(isa.R3, pointer) {
		g.constant(isa.R3, 0)
		f.params[at] = unknown()
	} else {
		f.params[at] = pointer
	}
	g.frozen &^= 1<<isa.R1 | 1<<isa.R2
	g.emit(isa.Mov64Imm.Make(isa.R4, 0, 0, 0))
	g.functions = append(g.functions, f)
	if each {
		g.helperCall("for_each_map_elem")
	} else {
		g.helperCall("loop")
	}
	for n := range g.stk {
		if g.stk[n].kind == number {
			g.stk[n] = unknown()
		}
	}
	if g.one(2) { // what the function wrote decides something
		r := g.scratch()
		g.emit(isa.Ldx64.Make(r, isa.R10, int16(-64+8*g.pick(4)), 0))
		if g.stk[7].kind == number {
			g.set(r, unknown())
			if g.one(2) {
				g.branch()
			}
		}
	}
}

// timer starts a timer with a function.
func (g *gen) timer() {
	if g.held > 0 || g.nested > 0 || !g.may("timer_init") {
		return
	}
	m := g.mapNamed("timers")
	g.mapLoad(isa.R1, m)
	g.key(isa.R2, 4)
	g.helperCall("map_lookup_elem")
	done := g.leave(isa.JEq64Imm.Make(0, 0, 0, 0))
	v := choose(g, isa.R7, isa.R8, isa.R9)
	if g.isFrozen(v) {
		done()
		return
	}
	g.emit(isa.Mov64Reg.Make(v, 0, 0, 0))
	g.set(v, held{})
	field := func() {
		g.emit(isa.Mov64Reg.Make(isa.R1, v, 0, 0))
		off := int32(8)
		if g.careless() {
			off = int32(g.pick(4) * 4)
		}
		g.emit(isa.Add64Imm.Make(isa.R1, 0, 0, off))
	}
	field()
	g.mapLoad(isa.R2, m)
	g.emit(isa.Mov64Imm.Make(isa.R3, 0, 0, int32(choose(g, 0, 1, 7))))
	g.helperCall("timer_init")
	field()
	f := &function{start: -1, back: true, depth: 1, params: [5]held{{}, {kind: memory, size: 4, where: inKey, readOnly: true}, {kind: memory, size: 8, where: inValue, m: m}}}
	f.refs = append(f.refs, len(g.code))
	g.functions = append(g.functions, f)
	g.emit(isa.LdFunc.Make(isa.R2, 0, 0, 0), isa.Instruction{})
	g.helperCall("timer_set_callback")
	field()
	g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, 1000), isa.Mov64Imm.Make(isa.R3, 0, 0, 0))
	g.helperCall(choose(g, "timer_start", "timer_start", "timer_cancel"))
	g.constant(v, 0)
	done()
}

// tailCall goes on with another program.
func (g *gen) tailCall() {
	c := g.with(context, nil)
	if len(c) == 0 || !g.may("tail_call") {
		return
	}
	for r := isa.R0; r <= isa.R5; r++ {
		if g.isFrozen(r) {
			return
		}
	}
	g.copyReg(isa.R1, c[0])
	g.mapLoad(isa.R2, g.mapNamed("jumps"))
	if g.one(2) {
		g.copyReg(isa.R3, g.num())
	} else {
		g.constant(isa.R3, int32(g.pick(2)))
	}
	g.helperCall("tail_call")
}

// notEverywhere are helpers that a kernel may be built or booted without.
var notEverywhere = map[string]bool{"override_return": true, "probe_write_user": true}

var helpersOf = map[spec.ProgramType][]*helper.Helper{}

// anyHelper calls some helper that the program may call, with arguments as its signature asks for.
func (g *gen) anyHelper() {
	all, ok := helpersOf[g.p.Type]
	if !ok {
		for _, h := range helper.Table() {
			if _, may := g.typ.MayCall(h.Name, g.attach); h.Kfunc || !may || h.Throws || h.Locks || h.Unlocks || h.TailCall || h.Callback != nil || notEverywhere[h.Name] {
				continue
			}
			all = append(all, &h)
		}
		helpersOf[g.p.Type] = all
	}
	h := choose(g, all...)
	if !g.may(h.Name) || h.Result.Has(helper.Acquires) || g.held > 0 && g.one(2) {
		return
	}
	if h.ChangesPacket && g.loops > 0 {
		return
	}
	frozen, code, refs, leaves := g.frozen, len(g.code), len(g.p.Maps), len(g.leaves)
	defer func() { g.frozen = frozen }()
	s := g.snap()
	g.argMap = -1
	for i, a := range h.ArgsIn(g.p.Type) {
		r := isa.R1 + isa.Register(i)
		if g.isFrozen(r) || !g.helperArgument(h, r, a, i) {
			g.code, g.p.Maps, g.leaves = g.code[:code], g.p.Maps[:refs], g.leaves[:leaves]
			g.restore(s)
			return
		}
		g.frozen |= 1 << r
	}
	g.frozen = frozen
	g.emit(isa.Call.Make(0, 0, 0, h.ID))
	g.called()
	if h.ChangesPacket {
		g.dropPacket()
	}
	switch h.Result.Kind() {
	case helper.Scalar:
		g.set(0, unknown())
		if h.Result.Has(helper.Errno) && g.one(2) { // the result bounds something
			g.must(isa.JSLt64Imm.Make(0, 0, 0, 0))
		}
	case helper.ResultMapValue:
		if g.argMap < 0 {
			return
		}
		x := held{size: int(g.maps[g.argMap].ValueSize), where: inValue, m: g.argMap}
		if !h.Result.Has(helper.MayBeNull) {
			x.kind = memory
			g.set(0, x)
			return
		}
		v, done := g.nullCheck(x)
		x.kind = memory
		g.access(v, x)
		done()
	case helper.ResultSocket, helper.ResultCommon, helper.ResultTCPSock:
		g.useSocket()
	}
}

// dropPacket forgets pointers to the packet.
func (g *gen) dropPacket() {
	drop := func(h *held) {
		if h.kind == end || h.kind == memory && h.where == inPacket {
			*h = held{}
		}
	}
	for i := range g.regs {
		drop(&g.regs[i])
	}
	for i := range g.stk {
		drop(&g.stk[i])
	}
}

// helperArgument puts what a helper takes into a register, and reports whether there is such a thing.
func (g *gen) helperArgument(h *helper.Helper, r isa.Register, a helper.Arg, i int) bool {
	if k := a.Kind(); g.argMap < 0 && (k == helper.MapKey || k == helper.MapValue || k == helper.MapValueOut) {
		return false
	}
	if g.careless() {
		g.copyReg(r, g.num())
		return true
	}
	if a.Has(helper.OrNull) && g.one(3) {
		g.constant(r, 0)
		g.argSize = 0
		return true
	}
	switch a.Kind() {
	case helper.Any, helper.Constant:
		if g.one(2) {
			return g.pass(r, unknown())
		}
		g.constant(r, int32(choose(g, 0, 0, 1, 2, 4, 8)))
	case helper.Context:
		return g.pass(r, held{kind: context})
	case helper.MapRef:
		g.argMap = -1
		for range 30 {
			m := g.pick(len(g.maps))
			if h.Maps == nil && (g.maps[m].Type == spec.Hash || g.one(20)) || mapTypeIn(h.Maps, g.maps[m].Type) {
				g.argMap = m
				g.mapLoad(r, m)
				return true
			}
		}
		return false
	case helper.MapKey:
		g.key(r, int(g.maps[g.argMap].KeySize))
	case helper.Mem, helper.MemOut:
		return g.memoryArgument(r, a)
	case helper.MapValue, helper.MapValueOut:
		g.argSize = int(g.maps[g.argMap].ValueSize)
		return g.stackArgument(r, g.argSize, a.Kind() == helper.MapValue)
	case helper.Size, helper.SizeOr0:
		g.sizeArgument(r, a)
	case helper.ConstString:
		g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.code), Map: "rodata", Value: true, Offset: uint32(g.pick(4))})
		g.emit(isa.LdMapValue.Make(r, 0, 0, 0), isa.Instruction{})
		g.set(r, held{})
	case helper.Socket, helper.SockCommon:
		if a.Has(helper.Releases) {
			return false
		}
		return g.pass(r, held{kind: socket})
	default:
		return false
	}
	return true
}

func mapTypeIn(set []spec.MapType, t spec.MapType) bool {
	for _, x := range set {
		if x == t {
			return true
		}
	}
	return false
}

// stackArgument is memory on the stack, written before if it is read.
func (g *gen) stackArgument(r isa.Register, size int, written bool) bool {
	if size > 200 {
		return false
	}
	words := (size + 7) / 8
	off := -104 - 8*words - 8*g.pick(3)
	if written && (g.strict || g.one(2)) {
		for i := range words {
			g.emit(isa.St64.Make(isa.R10, 0, int16(off+8*i), g.imm()))
		}
	}
	g.emit(isa.Mov64Reg.Make(r, isa.R10, 0, 0), isa.Add64Imm.Make(r, 0, 0, int32(off)))
	g.set(r, held{})
	return true
}

// memoryArgument is memory that a size follows, or of a fixed size.
func (g *gen) memoryArgument(r isa.Register, a helper.Arg) bool {
	g.argSize = 1 + g.pick(64)
	if n := int(a.FixedSize()); n > 0 {
		g.argSize = n
	} else if rs := g.with(memory, func(h *held) bool { return h.size > 0 && (a.Kind() == helper.Mem || !h.readOnly) }); len(rs) > 0 && g.one(2) {
		src := choose(g, rs...)
		g.argSize = g.regs[src].size
		g.copyReg(r, src)
		return true
	}
	return g.stackArgument(r, g.argSize, a.Kind() == helper.Mem)
}

// sizeArgument is the size of the memory before it.
func (g *gen) sizeArgument(r isa.Register, a helper.Arg) {
	least := 1
	if a.Kind() == helper.SizeOr0 {
		least = 0
	}
	if g.argSize == 0 {
		g.constant(r, 0)
		return
	}
	switch g.pick(4) {
	case 0, 1:
		g.constant(r, int32(least+g.pick(g.argSize-least+1)))
	case 2:
		b := g.bounded(g.argSize - least)
		g.copyReg(r, b)
		if least == 1 {
			g.emit(isa.Add64Imm.Make(r, 0, 0, 1))
		}
	case 3:
		g.copyReg(r, g.num())
		mask := 1
		for mask*2+1 <= g.argSize {
			mask = mask*2 + 1
		}
		g.emit(isa.And64Imm.Make(r, 0, 0, int32(mask)))
		if least == 1 {
			if g.held > 0 {
				g.constant(r, 1)
				return
			}
			g.must(isa.JEq64Imm.Make(r, 0, 0, 0))
		}
	}
	g.set(r, unknown())
}

// sockets gets a socket from the context, or looks one up.
func (g *gen) sockets() {
	c := g.with(context, nil)
	l := g.typ.Layout()
	if len(c) == 0 || l == nil || g.held > 1 {
		return
	}
	if g.may("sk_lookup_tcp") && g.one(2) {
		g.lookupSocket(c[0])
		return
	}
	for _, f := range l.Fields {
		if (f.Value == progtype.Socket || f.Value == progtype.SockCommon || f.Value == progtype.SocketOrNull) && f.Read.Attach.Has(g.attach) && f.Read.Sizes != 0 && g.one(2) {
			r := g.saved()
			g.emit(isa.Ldx64.Make(r, c[0], int16(f.Off), 0))
			g.set(r, held{})
			if f.Value != progtype.Socket && !g.careless() {
				defer g.leave(isa.JEq64Imm.Make(r, 0, 0, 0))()
			}
			g.set(r, held{kind: socket})
			g.readSocket(r)
			if g.one(2) {
				g.anyHelper()
			}
			return
		}
	}
	g.anyHelper()
}

// readSocket reads fields of a socket.
func (g *gen) readSocket(r isa.Register) {
	for range 1 + g.pick(2) {
		f := choose(g, progtype.Sock.Fields...)
		if g.one(2) {
			f = choose(g, progtype.CommonSock.Fields...)
		}
		n := g.fieldSize(f, false)
		d := g.other(r)
		if d == r {
			return
		}
		off := f.Off
		if g.careless() {
			off += g.pick(4)
		}
		g.emit(sizeOf(n).ld.Make(d, r, int16(off), 0))
		g.set(d, unknown())
	}
}

// useSocket uses the socket that R0 may be.
func (g *gen) useSocket() {
	if g.isFrozen(0) {
		return
	}
	done := func() {}
	if !g.careless() {
		done = g.leave(isa.JEq64Imm.Make(0, 0, 0, 0))
	}
	r := g.saved()
	if r != 0 {
		g.emit(isa.Mov64Reg.Make(r, 0, 0, 0))
	}
	g.emit(isa.Ldx32.Make(choose(g, isa.R1, isa.R2), r, int16(choose(g, 0, 4, 24, 44)), 0))
	g.set(0, held{})
	g.set(r, held{kind: socket})
	if g.one(2) {
		g.anyHelper()
	}
	g.set(r, held{})
	done()
}

// lookupSocket looks a socket up and releases it.
func (g *gen) lookupSocket(c isa.Register) {
	for r := isa.R0; r <= isa.R5; r++ {
		if g.isFrozen(r) {
			return
		}
	}
	name := choose(g, "sk_lookup_tcp", "sk_lookup_udp", "skc_lookup_tcp")
	if !g.may(name) || !g.may("sk_release") {
		return
	}
	g.emit(isa.St64.Make(isa.R10, 0, -88, 0), isa.St64.Make(isa.R10, 0, -96, 1), isa.Mov64Reg.Make(isa.R1, c, 0, 0), isa.Mov64Reg.Make(isa.R2, isa.R10, 0, 0),
		isa.Add64Imm.Make(isa.R2, 0, 0, -96), isa.Mov64Imm.Make(isa.R3, 0, 0, int32(choose(g, 12, 12, 16))), isa.Mov64Imm.Make(isa.R4, 0, 0, -1), isa.Mov64Imm.Make(isa.R5, 0, 0, 0))
	g.helperCall(name)
	s := g.snap()
	at := len(g.code)
	g.emit(isa.JEq64Imm.Make(0, 0, 0, 0))
	r := g.saved()
	if r < isa.R6 {
		r = isa.R9
	}
	g.emit(isa.Mov64Reg.Make(r, 0, 0, 0))
	g.set(0, held{})
	g.set(r, held{kind: socket})
	keep := g.frozen
	g.frozen |= 1 << r
	g.held++
	if name != "skc_lookup_tcp" || g.one(4) {
		g.readSocket(r)
	}
	if g.one(3) {
		g.block(2)
	}
	for _, cast := range []string{"tcp_sock", "sk_fullsock", "get_listener_sock"} {
		if g.may(cast) && g.one(4) {
			g.emit(isa.Mov64Reg.Make(isa.R1, r, 0, 0))
			g.helperCall(cast)
			g.emit(isa.JEq64Imm.Make(0, 0, 1, 0), isa.Ldx32.Make(isa.R1, 0, 0, 0))
			g.called()
		}
	}
	g.held--
	g.frozen = keep
	if !g.careless() {
		g.emit(isa.Mov64Reg.Make(isa.R1, r, 0, 0))
		g.helperCall("sk_release")
	}
	g.dropRecords()
	if g.careless() {
		g.readSocket(r)
	}
	g.land(at)
	g.called()
	g.set(r, held{})
	g.merge(s)
	g.constant(r, 1)
	g.constant(0, 1)
}

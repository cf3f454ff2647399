// Implements instances: the reusable state of one run at a time, for hot loops.

package skep

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// Instance runs a program again and again without allocating. It is not safe for concurrent use: give each
// goroutine its own.
type Instance struct {
	prog  *Program
	m     *interp.Machine
	leaf  interp.Leaf // of prog
	stack bool        // leaf uses the stack
	args  bool        // leaf uses its arguments, the data's address and length

	prepare bool // leaf uses any of these
	sees    bool // leaf reads the context
	filled  bool // the context has more in it than the length of a packet without metadata

	// The batch at work, and inBatch, bound once.
	packets [][]byte
	lengths []uint32
	single  func(n int) (uint64, error)

	ctx   context.Context
	limit uint64
	given []byte // the caller's context
	show  bool   // the caller wants to see the context

	context []byte      // as the program sees it
	data    packetData  // copy of the data that the program may change
	packet  spec.Packet // for runs on bytes alone
	meta    spec.Packet // the run's own, which helpers change
	outcome helper.Outcome
	bare    bool // the packet has no metadata
	mapped  bool // the context is in the address space
}

// NewInstance returns a new instance of the program.
func (prog *Program) NewInstance() *Instance {
	i := &Instance{prog: prog, m: interp.NewMachine(prog.code), leaf: prog.leaf, stack: prog.stack, args: prog.args}
	i.m.Host = host{i}
	if prog.opts.Env != nil {
		i.m.Call.Env = prog.opts.Env
	}
	i.m.Call.Value, i.m.Call.Later, i.m.Call.TypeSize = prog.opts.Value, prog.callLater, prog.typeSize
	i.single = i.inBatch
	if l := prog.typ.Context; l != nil {
		i.context = make([]byte, (l.Size+7)&^7)[:l.Size]
		i.m.ContextWritable = l.Writable
		i.sees, i.filled = !prog.blind, true
		if err := i.m.Space.Map(mem.Context, i.context, false); err != nil {
			panic(err) // there is room
		}
		i.mapped = true
	}
	if prog.typ.Packet {
		i.m.CtxAddr = mem.Context
	}
	i.prepare = i.sees || i.stack || i.args
	return i
}

// Run runs the program on a packet, or a plain function on memory, and returns R0. data is not changed;
// Data returns it as the program left it. The limit is DefaultLimit. Errors are those of
// Program.RunContext.
func (i *Instance) Run(data []byte) (uint64, error) {
	if i.leaf == nil || len(data) > mem.MaxData {
		return i.run(i.plainPacket(data))
	}
	m := i.m
	m.Packet = data
	if i.prepare {
		i.beforeLeaf(data, len(data))
	}
	r0, exit := m.RunLeaf(i.leaf)
	if exit == 0 {
		return r0, nil
	}
	return m.EndLeaf(r0, exit)
}

// hostAddrs reports whether the program sees addresses of the host.
func (prog *Program) hostAddrs() bool { return prog.trusted && !prog.blind }

// hostAddr is the address of a slice, which the collector does not move: an instance refers to it.
func hostAddr(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// beforeLeaf gets ready what leaf uses. length is that of the packet on the wire.
func (i *Instance) beforeLeaf(data []byte, length int) {
	if i.sees {
		i.setLength(length)
	}
	if i.stack {
		i.m.FreshStack()
	}
	if i.args {
		i.m.SetArgs(plainArgs(data))
	}
}

// setLength makes the context that of a packet of n bytes about which nothing else is known.
func (i *Instance) setLength(n int) {
	if i.filled {
		i.filled = false
		copy(i.context, i.prog.blank)
	}
	for _, f := range i.prog.sizes {
		if f.from == progtype.Len || f.from == progtype.WireLen {
			i.putField(f.off, uint32(n))
		}
	}
}

// plainArgs are the arguments of a plain function.
func plainArgs(data []byte) (r1, r2 uint64) {
	if len(data) == 0 {
		return 0, 0
	}
	return mem.Data, uint64(len(data))
}

// RunBatch runs the program on each packet, as Run does, and puts the low half of each R0 at the same place of
// verdicts, which must be as long as packets. It returns how many packets have one: all of them or, with the
// error of the run that failed, those before. Programs that see nothing but their packet's bytes, by ld_abs and
// ld_ind, and its length, as translated filters do, go through the batch in machine code; others take their
// turns one by one. Insns and Data tell nothing afterwards.
func (i *Instance) RunBatch(packets [][]byte, verdicts []uint32) (int, error) {
	return i.RunBatchCut(packets, nil, verdicts)
}

// RunBatchCut is RunBatch on packets that may have been cut when they were captured: lengths are those on the wire, at
// the same place, as many as packets and none less than its packet has bytes. They are what the program sees as the
// packets' lengths. Nil means that nothing was cut.
func (i *Instance) RunBatchCut(packets [][]byte, lengths, verdicts []uint32) (int, error) {
	switch {
	case len(verdicts) < len(packets):
		return 0, fmt.Errorf("%d packets and room for %d verdicts", len(packets), len(verdicts))
	case lengths != nil && len(lengths) < len(packets):
		return 0, fmt.Errorf("%d packets and %d lengths", len(packets), len(lengths))
	}
	i.packets, i.lengths = packets, lengths
	defer func() { i.packets, i.lengths = nil, nil }()
	if i.leaf != nil && i.prog.typ.Packet {
		if i.sees {
			i.setLength(0)
		}
		n, err := i.m.RunBatch(packets, lengths, verdicts, i.single)
		if !errors.Is(err, ErrNotSupported) {
			return n, err
		}
	}
	for n := range packets {
		r0, err := i.inBatch(n)
		if err != nil {
			return n, err
		}
		verdicts[n] = uint32(r0)
	}
	return len(packets), nil
}

// inBatch runs the program on packet n of the batch.
func (i *Instance) inBatch(n int) (uint64, error) {
	if i.lengths == nil {
		return i.Run(i.packets[n])
	}
	return i.RunCut(i.packets[n], int(i.lengths[n]))
}

// RunCut is Run on a packet that may have been cut when it was captured: length is that on the wire, at least as
// much as there are bytes.
func (i *Instance) RunCut(data []byte, length int) (uint64, error) {
	if i.leaf == nil || !i.sees || len(data) > mem.MaxData {
		i.plainPacket(data).WireLen = length
		return i.run(&i.packet)
	}
	i.m.Packet = data
	i.beforeLeaf(data, length)
	r0, exit := i.m.RunLeaf(i.leaf)
	if exit == 0 {
		return r0, nil
	}
	return i.m.EndLeaf(r0, exit)
}

// RunPacket is Run on a packet with metadata.
func (i *Instance) RunPacket(p *spec.Packet) (uint64, error) {
	if i.leaf == nil || i.sees {
		i.bare = false
		return i.run(p)
	}
	// The bytes are all it looks at.
	i.m.Network = p.NetworkOffset
	r0, err := i.Run(p.Data)
	i.m.Network = 0
	return r0, err
}

// Insns returns how many instructions the last run executed. A wide instruction counts once.
func (i *Instance) Insns() uint64 { return i.m.Count() }

// Data returns the last run's data as the program left it. It is valid until the next run.
func (i *Instance) Data() []byte { return i.m.Packet }

func (i *Instance) plainPacket(data []byte) *spec.Packet {
	i.packet, i.bare = spec.Packet{Data: data}, true
	return &i.packet
}

func (i *Instance) run(p *spec.Packet) (uint64, error) {
	if err := i.setData(p.Data); err != nil {
		return 0, err
	}
	var r1, r2 uint64
	switch {
	case i.prog.plain():
		if r1, r2 = plainArgs(i.m.Packet); i.prog.hostAddrs() && r2 > 0 {
			r1 = hostAddr(i.m.Packet)
		}
	default:
		if !i.prog.blind || i.show {
			if err := i.setContext(p); err != nil {
				return 0, err
			}
		}
		if r1 = mem.Context; i.prog.hostAddrs() {
			r1 = hostAddr(i.context)
			i.m.CtxAddr = r1
		}
	}
	if i.prog.typ.Packet || i.prog.calls && i.prog.typ.Context != nil {
		i.setPacket(p)
	}
	limit := i.limit
	switch {
	case limit == NoLimit:
		limit = 0
	case limit == 0:
		limit = DefaultLimit
	}
	if i.m.AcquireCPU() {
		defer i.m.ReleaseCPU()
	}
	r0, err := i.m.Run(i.ctx, limit, r1, r2)
	i.m.Network = 0
	i.endDissection()
	return r0, err
}

// setData puts the data into the address space: a copy if the program may change it.
func (i *Instance) setData(data []byte) error {
	if len(data) > mem.MaxData {
		return fmt.Errorf("%w: %d bytes of data, at most %d", ErrNotSupported, len(data), mem.MaxData)
	}
	if i.prog.blind {
		i.m.Packet = data
		return nil
	}
	writable := i.prog.dataWritable()
	old := len(i.m.Packet) + i.data.meta
	if writable {
		data = i.data.start(data)
	}
	i.m.Packet = data
	return i.m.MapData(data, old, writable)
}

// setContext fills in the context structure.
func (i *Instance) setContext(p *spec.Packet) error {
	l := i.prog.typ.Context
	i.filled = true
	switch {
	case l == nil && len(i.given) > mem.GranuleSize:
		return fmt.Errorf("%w: a context of %d bytes, at most %d", ErrNotSupported, len(i.given), mem.GranuleSize)
	case l == nil:
		i.context = append(i.context[:0], i.given...)
		i.mapped = false
	case i.given != nil && len(i.given) != l.Size:
		return fmt.Errorf("the context is %d bytes long, and struct %s has %d", len(i.given), l.Name, l.Size)
	case i.bare && i.given == nil:
		copy(i.context, i.prog.blank)
		i.fill(i.prog.sizes, p)
	default:
		clear(i.context)
		copy(i.context, i.given)
		if i.given == nil {
			i.fill(i.prog.filled, p)
		}
		i.fill(i.prog.pointers, p)
	}
	if err := i.setObjects(p); err != nil {
		return err
	}
	if i.mapped {
		return nil
	}
	i.mapped = true
	return i.m.Space.Map(mem.Context, i.context, l == nil)
}

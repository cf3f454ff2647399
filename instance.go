// Implements instances: the reusable state of one run at a time, for hot loops.

package skep

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"

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
	plain bool        // the program is a plain function

	ctx   context.Context
	limit uint64
	given []byte // the caller's context
	show  bool   // the caller wants to see the context

	context []byte      // as the program sees it
	buffer  []byte      // copy of the data that the program may change
	packet  spec.Packet // for runs on bytes alone
	bare    bool        // the packet has no metadata
	mapped  bool        // the context is in the address space
}

// NewInstance returns a new instance of the program.
func (prog *Program) NewInstance() *Instance {
	i := &Instance{prog: prog, m: interp.NewMachine(prog.code), leaf: prog.leaf, stack: prog.stack, plain: prog.plain()}
	i.m.Call.Env, i.m.Call.Value = prog.opts.Env, prog.opts.Value
	if l := prog.typ.Context; l != nil {
		i.context = make([]byte, (l.Size+7)&^7)[:l.Size]
		i.m.ContextWritable = l.Writable
	}
	if prog.typ.Packet {
		i.m.CtxAddr = mem.Context
	}
	return i
}

// Run runs the program on a packet, or a plain function on memory, and returns R0. data is not changed;
// Data returns it as the program left it. The limit is DefaultLimit. Errors are those of
// Program.RunContext.
func (i *Instance) Run(data []byte) (uint64, error) {
	leaf := i.leaf
	if leaf == nil || len(data) > mem.MaxData {
		return i.run(i.plainPacket(data))
	}
	m := i.m
	m.Packet = data
	if i.stack {
		m.FreshStack()
	}
	if i.plain {
		m.SetArgs(plainArgs(data))
	}
	r0, exit := m.RunLeaf(leaf)
	if exit == 0 {
		return r0, nil
	}
	return m.EndLeaf(r0, exit)
}

// plainArgs are the arguments of a plain function.
func plainArgs(data []byte) (r1, r2 uint64) {
	if len(data) == 0 {
		return 0, 0
	}
	return mem.Data, uint64(len(data))
}

// RunPacket is Run on a packet with metadata.
func (i *Instance) RunPacket(p *spec.Packet) (uint64, error) {
	i.bare = false
	return i.run(p)
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
		r1, r2 = plainArgs(i.m.Packet)
	default:
		if !i.prog.blind || i.show {
			if err := i.setContext(p); err != nil {
				return 0, err
			}
		}
		r1 = mem.Context
	}
	if i.prog.typ.Packet {
		i.m.SetPacket(p)
	}
	limit := i.limit
	switch limit {
	case 0:
		limit = DefaultLimit
	case NoLimit:
		limit = 0
	}
	r0, err := i.m.Run(i.ctx, limit, r1, r2)
	i.m.Network = 0
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
	if writable {
		// Whole words, so that atomic instructions stay inside the allocation.
		if cap(i.buffer) < len(data) {
			i.buffer = make([]byte, 0, (len(data)+7)&^7)
		}
		i.buffer = append(i.buffer[:0], data...)
		data = i.buffer
	}
	old := len(i.m.Packet)
	i.m.Packet = data
	return i.m.MapData(data, old, writable)
}

// setContext fills in the context structure.
func (i *Instance) setContext(p *spec.Packet) error {
	l := i.prog.typ.Context
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
	if i.mapped {
		return nil
	}
	i.mapped = true
	return i.m.Space.Map(mem.Context, i.context, l == nil)
}

// fill fills in some fields of the context.
func (i *Instance) fill(fields []filled, p *spec.Packet) {
	for _, f := range fields {
		binary.LittleEndian.PutUint32(i.context[f.off:], i.field(f.from, p))
	}
}

// field returns the value of a context field.
func (i *Instance) field(from progtype.Source, p *spec.Packet) uint32 {
	switch from {
	case progtype.Len:
		return uint32(p.Len())
	case progtype.PktType:
		return uint32(p.PktType)
	case progtype.Mark:
		return p.Mark
	case progtype.Queue:
		return p.Queue
	case progtype.Protocol:
		return uint32(bits.ReverseBytes16(p.Protocol))
	case progtype.VLANPresent:
		if p.VLANPresent {
			return 1
		}
		return 0
	case progtype.VLANTCI:
		return uint32(p.VLANTCI)
	case progtype.VLANProto:
		return uint32(bits.ReverseBytes16(p.VLANProto))
	case progtype.Priority:
		return p.Priority
	case progtype.IfIndex:
		return p.IfIndex
	case progtype.Hash:
		return p.Hash
	case progtype.DataStart, progtype.DataMeta:
		return mem.Data
	case progtype.DataEnd:
		return uint32(mem.Data + len(i.m.Packet))
	}
	return 0
}

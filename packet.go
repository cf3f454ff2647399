// Implements what runs show to helpers of their program, context and packet, and how helpers change the packet.

package skep

import (
	"fmt"

	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// packetData is a packet that its program may change: metadata (data_meta), then the packet.
type packetData struct {
	bytes []byte // whole words, so that atomic instructions stay inside the allocation
	spare []byte
	meta  int
	front int // bytes added ahead of the packet in this run
}

// start makes a copy of data the packet, without metadata.
func (d *packetData) start(data []byte) []byte {
	d.meta, d.front = 0, 0
	d.bytes = append(words(d.bytes, len(data)), data...)
	return d.bytes
}

// words returns b, empty, or other memory where there is room for n bytes.
func words(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, 0, (n+7)&^7)
	}
	return b[:0]
}

// adjust adds bytes ahead of the packet and behind it, or takes them away, and keeps the last bytes of the metadata.
func (d *packetData) adjust(front, back, meta int) error {
	packet, old := d.bytes[d.meta:], d.bytes[:d.meta]
	size := len(packet) + front + back
	if meta < 0 || len(packet)+min(front, 0)+min(back, 0) < 0 || size < 0 || meta+size > mem.MaxData {
		return fmt.Errorf("a packet of %d bytes cannot change by %d in front and %d at its end", len(packet), front, back)
	}
	out := words(d.spare, meta+size)
	out = appendZeros(out, meta-len(old))
	out = append(out, old[max(0, len(old)-meta):]...)
	out = appendZeros(out, front)
	out = append(out, packet[max(0, -front):len(packet)+min(0, back)]...)
	out = appendZeros(out, back)
	d.bytes, d.spare = out, d.bytes
	d.meta, d.front = meta, d.front+front
	return nil
}

// appendZeros appends n zeros, if n is above 0, to a slice that has room for them.
func appendZeros(b []byte, n int) []byte {
	if n <= 0 {
		return b
	}
	b = b[:len(b)+n]
	clear(b[len(b)-n:])
	return b
}

// host is what an instance is to its machine.
type host struct{ *Instance }

// ProgramType implements interp.Host.
func (h host) ProgramType() spec.ProgramType { return h.prog.typ.Type }

// AttachType implements interp.Host.
func (h host) AttachType() uint32 { return h.prog.ir.Source.AttachType }

// ProgramLicense implements helper.Run.
func (h host) ProgramLicense() string { return h.prog.ir.Source.License }

// Context implements interp.Host.
func (h host) Context() []byte { return h.context }

// Code implements interp.Host.
func (h host) Code(program any, checked bool) (*interp.Code, error) {
	p, ok := program.(*Program)
	switch {
	case !ok:
		return nil, fmt.Errorf("the map's element is no program but %T", program)
	case p.typ.Type != h.prog.typ.Type:
		return nil, fmt.Errorf("a program of type %s cannot go on with one of type %s", h.prog.typ.Type, p.typ.Type)
	}
	if checked {
		twin, err := p.checked()
		if err != nil {
			return nil, err
		}
		p = twin
	}
	return p.code, nil
}

// Probe implements interp.Host.
func (h host) Probe(b []byte, addr uint64) bool {
	if !h.prog.typ.BTF {
		return false
	}
	if env := h.prog.opts.Env; env != nil {
		env.ReadKernel(b, addr)
	}
	return true
}

// Change implements interp.Host. Programs that stand for the methods of a structure change what they are given.
func (h host) Change(addr uint64, n int) []byte {
	if env := h.prog.opts.Env; env != nil && h.prog.typ.Type == spec.StructOps {
		return env.KernelMemory(addr, n)
	}
	return nil
}

// PacketData implements interp.Host.
func (h host) PacketData() (data []byte, meta int) {
	if h.data.meta > 0 {
		return h.data.bytes, h.data.meta
	}
	return h.m.Packet, 0
}

// PacketFront implements interp.Host.
func (h host) PacketFront() int { return h.data.front }

// AdjustPacket implements interp.Host.
func (h host) AdjustPacket(front, back, meta int) error {
	i := h.Instance
	if !i.prog.typ.Packet || !i.prog.dataWritable() {
		return fmt.Errorf("%w: programs of type %s cannot change the size of packets", ErrNotSupported, i.prog.typ.Type)
	}
	old := len(i.data.bytes)
	if err := i.data.adjust(front, back, meta); err != nil {
		return err
	}
	i.m.Packet = i.data.bytes[i.data.meta:]
	if err := i.m.MapData(i.data.bytes, old, true); err != nil {
		return err
	}
	i.fill(i.prog.pointers, i.m.Call.Packet)
	for _, f := range i.prog.sizes {
		if f.from == progtype.Len {
			i.putField(f.off, uint32(len(i.m.Packet)))
		}
	}
	return nil
}

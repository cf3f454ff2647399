package skep_test

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// network is a router with two interfaces, and sockets.
func network() *helper.Network {
	return &helper.Network{
		Devices: []helper.Device{{IfIndex: 1, MTU: 65536}, {IfIndex: 2, MAC: [6]byte{2, 0, 0, 0, 0, 2}, Forwarding: true},
			{IfIndex: 3, MAC: [6]byte{2, 0, 0, 0, 0, 3}, MTU: 1400, Forwarding: true}},
		Routes: []helper.Route{
			{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("10.0.3.1"), IfIndex: 3, Metric: 7},
			{Prefix: netip.MustParsePrefix("10.0.2.0/24"), IfIndex: 2},
			{Prefix: netip.MustParsePrefix("10.9.0.0/16"), Type: helper.Blackhole},
			{Prefix: netip.MustParsePrefix("10.9.1.0/24"), Type: helper.Prohibit},
			{Table: 100, Prefix: netip.MustParsePrefix("10.9.1.0/24"), IfIndex: 2},
		},
		Neighbors: []helper.Neighbor{{IfIndex: 3, Addr: netip.MustParseAddr("10.0.3.1"), MAC: [6]byte{2, 0, 0, 0, 0, 0x31}}},
		Sockets: []*spec.Socket{
			{Protocol: 6, Local: netip.MustParseAddrPort("10.0.0.2:80"), Cookie: 5},
			{Protocol: 6, Local: netip.MustParseAddrPort("10.0.0.2:80"), Remote: netip.MustParseAddrPort("10.0.0.1:1000"), Cookie: 6, TCP: &spec.TCP{SndCwnd: 77}},
			{Protocol: 17, Local: netip.MustParseAddrPort("0.0.0.0:53"), Cookie: 7, Mark: 9}},
	}
}

// runNetwork runs a program text on both engines and calls check with what each leaves.
func runNetwork(t *testing.T, typ spec.ProgramType, text string, pkt spec.Packet, check func(r0 uint32, data []byte, o *helper.Outcome)) {
	t.Helper()
	p, err := asm.Assemble("network", text, &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.Type, p.License = "network", typ, "GPL"
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		prog, err := skep.Load(p, &skep.Options{Engine: engine, Unverified: true, Env: &helper.Env{Network: network()}})
		if err != nil {
			t.Fatal(err)
		}
		var o helper.Outcome
		opts := &skep.RunOptions{Packet: &pkt, DataOut: []byte{}, Outcome: &o}
		for range 2 { // nothing is left of a run
			r0, err := prog.Run(opts)
			if err != nil {
				t.Fatalf("%s: %v", engine, err)
			}
			check(r0, opts.DataOut, &o)
		}
	}
}

// TestFIB asks for routes: struct bpf_fib_lookup is the packet, whose first bytes are copied to the stack and back.
func TestFIB(t *testing.T) {
	const text = `
		r6 = r1
		r2 = 0
		r3 = r10
		r3 += -64
		r4 = 64
		call xdp_load_bytes
		r1 = r6
		r2 = r10
		r2 += -64
		r3 = 64
		r4 = FLAGS
		call fib_lookup
		r7 = r0
		r1 = r6
		r2 = 0
		r3 = r10
		r3 += -64
		r4 = 64
		call xdp_store_bytes
		r0 = r7
		exit`
	for _, c := range []struct {
		name, dst string
		in        uint32
		length    uint16
		flags     string
		want      int32
		out, mtu  uint32
		mac       byte
	}{
		{"gateway", "8.8.8.8", 2, 100, "0", 0, 3, 1400, 0x31},
		{"too long", "8.8.8.8", 2, 1500, "0", 8, 2, 1400, 0},
		{"no neighbour", "10.0.2.9", 3, 0, "0", 7, 2, 0, 0},
		{"neighbour not asked about", "10.0.2.9", 3, 0, "4", 0, 2, 0, 0},
		{"blackhole", "10.9.0.1", 2, 0, "0", 1, 2, 0, 0},
		{"longest prefix", "10.9.1.1", 2, 0, "0", 3, 2, 0, 0},
		{"table", "10.9.1.1", 3, 0, "0xd", 0, 2, 0, 0},
		{"not forwarding", "8.8.8.8", 1, 0, "0", 5, 1, 0, 0},
		{"no device", "8.8.8.8", 9, 0, "0", -19, 9, 0, 0},
		{"unknown flag", "8.8.8.8", 2, 0, "64", -22, 2, 0, 0},
	} {
		b := make([]byte, 64)
		b[0] = 2
		binary.LittleEndian.PutUint16(b[6:], c.length)
		binary.LittleEndian.PutUint32(b[8:], c.in)
		dst := netip.MustParseAddr(c.dst).As4()
		copy(b[32:], dst[:])
		if c.flags == "0xd" {
			binary.LittleEndian.PutUint32(b[48:], 100)
		}
		text := strings.NewReplacer("FLAGS", c.flags).Replace(text)
		runNetwork(t, spec.XDP, text, spec.Packet{Data: b}, func(r0 uint32, data []byte, _ *helper.Outcome) {
			out, mtu := binary.LittleEndian.Uint32(data[8:]), uint32(binary.LittleEndian.Uint16(data[6:]))
			if int32(r0) != c.want || out != c.out || c.mtu != 0 && mtu != c.mtu || data[63] != c.mac && c.mac != 0 {
				t.Errorf("%s: result %d, interface %d, MTU %d, % x", c.name, int32(r0), out, mtu, data)
			}
		})
	}
}

// TestSocketLookup finds sockets by struct bpf_sock_tuple and reads their fields.
func TestSocketLookup(t *testing.T) {
	const text = `
		r6 = r1
		r1 = SADDR
		*(u32 *)(r10 - 16) = r1
		r1 = 0x0200000a
		*(u32 *)(r10 - 12) = r1
		r1 = PORTS
		*(u32 *)(r10 - 8) = r1
		r1 = r6
		r2 = r10
		r2 += -16
		r3 = SIZE
		r4 = -1
		r5 = 0
		call FIND
		if r0 == 0 goto out
		r7 = r0
		r8 = *(u32 *)(r7 + 72)
		r1 = r7
		call tcp_sock
		if r0 == 0 goto release
		r0 = *(u32 *)(r0 + 0)
		r0 <<= 8
		r8 |= r0
	release:
		r1 = r7
		call sk_release
		r0 = r8
	out:
		exit`
	for _, c := range []struct {
		name, find, saddr, ports, size string
		want                           uint32
	}{
		{"connected", "sk_lookup_tcp", "0x0100000a", "0x5000e803", "12", spec.TCPEstablished | 77<<8},
		{"listening", "sk_lookup_tcp", "0x0300000a", "0x5000e803", "12", spec.TCPListen},
		{"other port", "sk_lookup_tcp", "0x0100000a", "0x5100e803", "12", 0},
		{"UDP", "sk_lookup_udp", "0x0100000a", "0x3500e803", "12", spec.TCPClose},
		{"size", "sk_lookup_udp", "0x0100000a", "0x3500e803", "11", 0},
	} {
		prog := strings.NewReplacer("FIND", c.find, "SADDR", c.saddr, "PORTS", c.ports, "SIZE", c.size).Replace(text)
		runNetwork(t, spec.SchedCLS, prog, spec.Packet{Data: make([]byte, 64)}, func(r0 uint32, _ []byte, _ *helper.Outcome) {
			if r0 != c.want {
				t.Errorf("%s: got %#x, want %#x", c.name, r0, c.want)
			}
		})
	}
}

// TestOutcome sees where packets are sent and what becomes of their metadata.
func TestOutcome(t *testing.T) {
	const text = `
		r6 = r1
		*(u32 *)(r6 + 8) = 17
		*(u32 *)(r6 + 52) = 4
		r1 = r6
		r2 = 3
		r3 = 1
		call clone_redirect
		r7 = r0
		r1 = 5
		*(u64 *)(r10 - 48) = 9
		*(u64 *)(r10 - 40) = 0
		*(u64 *)(r10 - 32) = 0
		*(u64 *)(r10 - 24) = 0
		*(u64 *)(r10 - 16) = 0
		*(u64 *)(r10 - 8) = 0
		*(u32 *)(r10 - 44) = 0x0a000001
		r1 = r6
		r2 = r10
		r2 += -48
		r3 = 44
		r4 = 0
		call skb_set_tunnel_key
		r7 |= r0
		r1 = r6
		call get_socket_cookie
		r8 = r0
		r1 = 2
		r2 = 0
		call redirect
		r0 += r8
		r0 += r7
		exit`
	sock := &spec.Socket{Protocol: 6, Local: netip.MustParseAddrPort("[2001:db8::1]:443"), Cookie: 100}
	pkt := spec.Packet{Data: make([]byte, 60), Protocol: 0x0800, NetworkOffset: 14, Mark: 1, Priority: 2, Socket: sock}
	runNetwork(t, spec.SchedCLS, text, pkt, func(r0 uint32, _ []byte, o *helper.Outcome) {
		switch {
		case r0 != 107:
			t.Errorf("result %d", int32(r0))
		case o.Redirect.By != "redirect" || o.Redirect.IfIndex != 2 || len(o.Clones) != 1 || o.Clones[0].IfIndex != 3 || len(o.Clones[0].Data) != 60:
			t.Errorf("sent to %+v, copies %+v", o.Redirect, o.Clones)
		case o.Tunnel == nil || o.Tunnel.ID != 9 || o.Tunnel.Remote != netip.MustParseAddr("10.0.0.1"):
			t.Errorf("tunnel %+v", o.Tunnel)
		case o.Packet.Mark != 17 || o.Packet.CB[1] != 4 || o.Packet.Priority != 2 || pkt.Mark != 1:
			t.Errorf("metadata %+v, the caller's %+v", o.Packet, pkt)
		}
	})
}

// TestContextAgainstKernel gives programs a context and compares what they leave in it with the kernel.
func TestContextAgainstKernel(t *testing.T) {
	needKernel(t)
	p, err := asm.Assemble("context", `
		r2 = *(u32 *)(r1 + 8)
		r2 += 1
		*(u32 *)(r1 + 8) = r2
		r3 = *(u32 *)(r1 + 32)
		r2 += r3
		r3 = *(u32 *)(r1 + 36)
		r2 += r3
		r3 = *(u64 *)(r1 + 152)
		r2 += r3
		r3 += 5
		*(u64 *)(r1 + 152) = r3
		r3 = *(u32 *)(r1 + 164)
		r2 += r3
		r3 = *(u32 *)(r1 + 56)
		r2 += r3
		*(u16 *)(r1 + 58) = 0x1234
		*(u32 *)(r1 + 32) = 77
		r0 = r2
		exit`, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.Type, p.License = "context", spec.SchedCLS, "GPL"
	k, err := kernel.Load(p, nil, &kernel.Options{Log: true})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	pkt := spec.Packet{Data: make([]byte, 64), Mark: 3, Priority: 1000, IngressIfIndex: 1, IfIndex: 1, Timestamp: 1e6, GSOSegs: 2, CB: [5]uint32{1, 2, 0x30004, 4, 5}}
	ctx := make([]byte, 192)
	for off, v := range map[int]uint32{8: pkt.Mark, 32: pkt.Priority, 36: 1, 40: 1, 48: 1, 52: 2, 56: 0x30004, 60: 4, 64: 5, 152: 1e6, 164: 2} {
		binary.LittleEndian.PutUint32(ctx[off:], v)
	}
	want, err := k.Run(pkt.Data, ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := skep.Load(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	var o helper.Outcome
	opts := &skep.RunOptions{Packet: &pkt, ContextOut: []byte{}, Outcome: &o}
	r0, err := prog.Run(opts)
	if err != nil || r0 != want.Retval {
		t.Fatalf("result %d, %v, the kernel's is %d", r0, err, want.Retval)
	}
	for _, off := range []int{8, 32, 36, 40, 48, 52, 56, 60, 64, 152, 156, 164} {
		got, kernels := binary.LittleEndian.Uint32(opts.ContextOut[off:]), binary.LittleEndian.Uint32(want.Ctx[off:])
		if got != kernels {
			t.Errorf("byte %d of the context: %#x, the kernel's is %#x", off, got, kernels)
		}
	}
	if o.Packet.Mark != 4 || o.Packet.Priority != 77 || o.Packet.Timestamp != 1e6+5 || o.Packet.CB[2] != 0x12340004 {
		t.Errorf("metadata %+v", o.Packet)
	}
}

// TestOwnType runs programs of a type that is declared by a Go struct.
func TestOwnType(t *testing.T) {
	type request struct {
		Data    uint64 `bpf:"data"`
		DataEnd uint64 `bpf:"data_end"`
		Kind    uint16
		Score   uint32 `bpf:"score,rw"`
	}
	typ, err := progtype.FromStruct(request{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := asm.Assemble("own", `
		r2 = *(u64 *)(r1 + 0)
		r3 = *(u64 *)(r1 + 8)
		r0 = *(u16 *)(r1 + 16)
		*(u32 *)(r1 + 20) = 99
		r4 = r2
		r4 += 1
		if r4 > r3 goto out
		r2 = *(u8 *)(r2 + 0)
		r0 += r2
	out:
		exit`, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := progtype.Encode(request{Kind: 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, unverified := range []bool{true, false} {
		prog, err := skep.Load(p, &skep.Options{Type: typ, Unverified: unverified})
		if err != nil {
			t.Fatal(err)
		}
		opts := &skep.RunOptions{Data: []byte{5, 6}, Context: ctx, ContextOut: []byte{}}
		r0, err := prog.Run(opts)
		var left request
		if err == nil {
			err = progtype.Decode(opts.ContextOut, &left)
		}
		if err != nil || r0 != 12 || left.Score != 99 || left.Kind != 7 {
			t.Errorf("unverified %v: result %d, %+v, %v", unverified, r0, left, err)
		}
	}
	if _, err := skep.Load(&spec.Program{Insns: []isa.Instruction{isa.Stx32.Make(1, 1, 16, 0), isa.Mov64Imm.Make(0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}}, &skep.Options{Type: typ}); err == nil {
		t.Error("a program that writes a field it may only read is accepted")
	}
}

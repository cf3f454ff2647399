// Implements the tests of captures: packets, bytes and counters.

package live

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/classic"
)

// TestLoopback captures the UDP packets of one port and compares them with what an ordinary socket sees.
func TestLoopback(t *testing.T) {
	ownNetwork(t)
	var opts Options
	opts.Filter = compile(t, "udp dst port 5003", "lo", opts)
	c, other, s := mustOpen(t, "lo", opts), openWire(t, "lo"), newSender(t)
	if c.LinkType() != LinkTypeEthernet || c.SnapLen() != MaxSnapLen {
		t.Errorf("link type %d, snap length %d", c.LinkType(), c.SnapLen())
	}
	const rounds, ports = 200, 5
	before := time.Now().UnixNano()
	var want [][]byte
	for i := range rounds {
		for port := range ports {
			s.send(t, 5000+port, bytes.Repeat([]byte{byte(i), byte(port)}, i*20))
		}
		for _, f := range other.read(t) {
			if len(f) >= 42 && f[23] == 17 && binary.BigEndian.Uint16(f[36:]) == 5003 {
				want = append(want, f)
			}
		}
	}
	got := collect(t, c, rounds)
	after := time.Now().UnixNano()
	if len(got) != rounds || len(want) != rounds {
		t.Fatalf("got %d packets, want %d, and the other socket has %d", len(got), rounds, len(want))
	}
	last := before
	for i, p := range got {
		if !bytes.Equal(p.data, want[i]) {
			t.Fatalf("packet %d: got % x, want % x", i, p.data, want[i])
		}
		if p.Time < last || p.Time > after {
			t.Errorf("packet %d is of %d, expected %d to %d", i, p.Time, last, after)
		}
		last = p.Time
		if info := (Info{Time: p.Time, WireLen: len(want[i]), IfIndex: 1, Protocol: 0x800, HardwareType: unix.ARPHRD_LOOPBACK}); p.Info != info {
			t.Fatalf("packet %d: got %+v, want %+v", i, p.Info, info)
		}
	}
	for range 2 { // the kernel's counters start again, ours do not
		if stats, err := c.Stats(); err != nil || stats != (Stats{Received: rounds}) {
			t.Errorf("got %+v, %v, want %d received", stats, err, rounds)
		}
	}
}

func TestSnapLen(t *testing.T) {
	ownNetwork(t)
	retA, err := classic.Parse("test", "ldb [42]\n ret a")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ifname string
		opts   Options
		want   int // of a packet of 142 bytes whose first byte of payload is 50
	}{
		{"lo", Options{SnapLen: 60}, 60},
		{"lo", Options{SnapLen: 1}, 1},
		{"lo", Options{SnapLen: 142}, 142},
		{"lo", Options{SnapLen: 60, Filter: []bpf.RawInstruction{{Op: 6, K: 0xffffffff}}}, 60},
		{"lo", Options{SnapLen: 60, Filter: []bpf.RawInstruction{{Op: 6, K: 20}}}, 20},
		{"lo", Options{SnapLen: 60, Filter: retA}, 50},
		{"lo", Options{SnapLen: 40, Filter: retA}, 40},
		{"any", Options{SnapLen: 60}, 60},
		{"any", Options{SnapLen: 10, SLL: true}, 10},
		{"any", Options{SnapLen: 30, Filter: []bpf.RawInstruction{{Op: 0x80}, {Op: 0x16}}}, 30}, // ret len, late
		{"any", Options{Filter: []bpf.RawInstruction{{Op: 0x80}, {Op: 0x14, K: 100}, {Op: 0x16}}}, 48},
		{"any", Options{SnapLen: 30, Filter: compileFor("ldb [147]\n jeq #50, yes, no\n yes: ret #-1\n no: ret #0")}, 30},
		{"any", Options{SnapLen: 30, Filter: compileFor("ld len\n ldb [147]\n jeq #50, yes, no\n yes: ret #-1\n no: ret #0")}, 30},
	} {
		cap, s := mustOpen(t, c.ifname, c.opts), newSender(t)
		s.send(t, s.port(), bytes.Repeat([]byte{50}, 100))
		got := collect(t, cap, 1)
		wire := 142
		if c.ifname == Any {
			wire += headerLen(cap.LinkType()) - 14
		}
		if len(got) != 1 || len(got[0].data) != c.want || got[0].WireLen != wire {
			t.Errorf("%s, %+v: got %+v, want %d bytes of %d", c.ifname, c.opts, got, c.want, wire)
		}
	}
}

// compileFor assembles a filter that is known to be right.
func compileFor(text string) []bpf.RawInstruction {
	prog, err := classic.Parse("test", text)
	if err != nil {
		panic(err)
	}
	return prog
}

// TestVLAN sends tagged frames over a pair of interfaces and captures them at both ends as they were sent.
func TestVLAN(t *testing.T) {
	ownNetwork(t)
	veth(t)
	vlan7, vlan0 := []byte{0x81, 0, 0x60, 7}, []byte{0x81, 0, 0, 0}
	service := []byte{0x88, 0xa8, 0, 100}
	frames := [][]byte{frame(0), frame(1, vlan7), frame(2, vlan0), frame(3, service, vlan7), frame(4, vlan7, vlan7), frame(5)}
	tags := map[byte]Info{
		1: {VLANPresent: true, VLANTCI: 0x6007, VLANProto: 0x8100}, 2: {VLANPresent: true, VLANProto: 0x8100},
		3: {VLANPresent: true, VLANTCI: 100, VLANProto: 0x88a8}, 4: {VLANPresent: true, VLANTCI: 0x6007, VLANProto: 0x8100},
	}
	all := mustOpen(t, "v0", Options{})
	atSender := mustOpen(t, "v1", Options{})
	vlan := mustOpen(t, "v0", Options{Filter: compile(t, "vlan 7", "v0", Options{})})
	short := mustOpen(t, "v0", Options{SnapLen: 17})
	w := openWire(t, "v1")
	for _, f := range frames {
		w.send(t, f)
	}
	check := func(name string, got []captured, want [][]byte, snap int) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%s: got %d packets, want %d", name, len(got), len(want))
		}
		for i, p := range got {
			if !bytes.Equal(p.data, want[i][:min(snap, len(want[i]))]) || p.WireLen != len(want[i]) {
				t.Errorf("%s: got % x of %d, want % x", name, p.data, p.WireLen, want[i])
			}
		}
	}
	got := collect(t, all, len(frames))
	check("all", got, frames, MaxSnapLen)
	for _, p := range got {
		tag := tags[p.data[len(p.data)-1]]
		if p.VLANPresent != tag.VLANPresent || p.VLANTCI != tag.VLANTCI || p.VLANProto != tag.VLANProto || p.PktType != unix.PACKET_OTHERHOST {
			t.Errorf("got %+v, want the tag %+v, for % x", p.Info, tag, p.data)
		}
	}
	check("at the sender", collect(t, atSender, len(frames)), frames, MaxSnapLen)
	check("vlan 7", collect(t, vlan, 2), [][]byte{frames[1], frames[4]}, MaxSnapLen)
	check("17 bytes", collect(t, short, len(frames)), frames, 17)
}

// TestAny compares cooked headers with what they must be, and filters of both kinds.
func TestAny(t *testing.T) {
	ownNetwork(t)
	veth(t)
	for _, expr := range []string{"udp or ether proto 0x88b5", "len >= 20 and (udp or ether proto 0x88b5)"} {
		for _, opts := range []Options{{}, {SLL: true}} {
			name := fmt.Sprintf("%q, SLL %v", expr, opts.SLL)
			opts.Filter = compile(t, expr, Any, opts)
			c, s, w := mustOpen(t, Any, opts), newSender(t), openWire(t, "v1")
			if late := strings.Contains(expr, "len"); late != (c.late != nil) {
				t.Errorf("%s: the filter runs late is %v", name, !late)
			}
			lo := openWire(t, "lo")
			s.send(t, s.port(), []byte("hello"))
			w.send(t, frame(1))
			w.send(t, frame(2, []byte{0x81, 0, 0x60, 7}))
			ip4 := lo.read(t)[0][14:]
			var index [2]int
			for i, n := range []string{"v0", "v1"} {
				iface, err := net.InterfaceByName(n)
				if err != nil {
					t.Fatal(err)
				}
				index[i] = iface.Index
			}
			header := func(index int, kind, hardware byte, hardware2 byte, proto uint16, address string) []byte {
				be := binary.BigEndian
				if opts.SLL {
					h := append([]byte{0, kind, hardware, hardware2, 0, 6}, address...)
					return be.AppendUint16(append(h, 0, 0), proto)
				}
				h := be.AppendUint32(append(be.AppendUint16(nil, proto), 0, 0), uint32(index))
				return append(append(append(h, hardware, hardware2, kind, 6), address...), 0, 0)
			}
			const from = "\x02\x00\x00\x00\x00\x02"
			payload, tagged := frame(1)[14:], frame(2)[14:]
			out := func(n int, kind byte, proto uint16, rest ...[]byte) []byte {
				return slices.Concat(append([][]byte{header(index[n], kind, 0, 1, proto, from)}, rest...)...)
			}
			tag := []byte{0x60, 7, 0x88, 0xb5}
			want := [][]byte{
				slices.Concat(header(1, 0, 3, 4, 0x800, "\x00\x00\x00\x00\x00\x00"), ip4),
				out(1, 4, 0x88b5, payload), out(0, 3, 0x88b5, payload),
			}
			if opts.SLL {
				want = append(want, out(0, 3, 0x8100, tag, tagged))
			} else {
				want = append(want, out(0, 3, 0x88b5, tagged))
			}
			got := collect(t, c, len(want))
			// How the outgoing tagged frame looks depends on the kernel's version.
			got = slices.DeleteFunc(got, func(p captured) bool { return p.PktType == 4 && p.data[len(p.data)-1] == 2 })
			if len(got) != len(want) {
				t.Fatalf("%s: %d packets, want %d: %+v", name, len(got), len(want), got)
			}
			for i, p := range got {
				if !bytes.Equal(p.data, want[i]) || p.WireLen != len(want[i]) {
					t.Errorf("%s: got % x of %d, want % x", name, p.data, p.WireLen, want[i])
				}
			}
		}
	}
}

func TestTun(t *testing.T) {
	ownNetwork(t)
	tun := openTun(t)
	if _, err := Open("t0", Options{}); !errors.Is(err, unix.ENETDOWN) || !strings.Contains(err.Error(), "not up") {
		t.Errorf("interface that is down: got %v", err)
	}
	setFlags(t, "t0", unix.IFF_UP)
	opts := Options{Filter: compile(t, "udp port 7", "t0", Options{})}
	c := mustOpen(t, "t0", opts)
	packet := []byte{0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 8, 0, 10, 0, 0, 'h', 'i'}
	another := slices.Clone(packet)
	another[21] = 9
	for _, p := range [][]byte{packet, another} {
		if _, err := tun.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	got := collect(t, c, 1)
	if c.LinkType() != LinkTypeRaw || len(got) != 1 || !bytes.Equal(got[0].data, packet) || got[0].HardwareType != unix.ARPHRD_NONE {
		t.Errorf("link type %d, got %+v", c.LinkType(), got)
	}
	c.Close()
	setFlags(t, "t0", 0)
	if err := unix.IoctlSetInt(int(tun.Fd()), unix.TUNSETLINK, unix.ARPHRD_PPP); err != nil {
		t.Fatal(err)
	}
	setFlags(t, "t0", unix.IFF_UP)
	if _, err := Open("t0", Options{}); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "hardware type 512") {
		t.Errorf("PPP: got %v", err)
	}
}

// TestInterfaceGoesDown takes an interface down under a capture, and up again.
func TestInterfaceGoesDown(t *testing.T) {
	ownNetwork(t)
	c, s := mustOpen(t, "lo", Options{}), newSender(t)
	setFlags(t, "lo", 0)
	if _, _, err := c.Next(t.Context()); !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("got %v, want ENETDOWN", err)
	}
	setFlags(t, "lo", unix.IFF_UP)
	s.send(t, s.port(), []byte("again"))
	if got := collect(t, c, 1); len(got) == 0 || !bytes.HasSuffix(got[len(got)-1].data, []byte("again")) {
		t.Errorf("got %+v", got)
	}
}

func TestPromiscuous(t *testing.T) {
	ownNetwork(t)
	veth(t)
	promiscuous := func() bool { return strings.Contains(ip(t, "-d", "link", "show", "v0"), "promiscuity 1") }
	if promiscuous() {
		t.Skip("the interface is so by itself")
	}
	plain := mustOpen(t, "v0", Options{})
	if promiscuous() {
		t.Error("a capture is promiscuous without being asked to")
	}
	plain.Close()
	c := mustOpen(t, "v0", Options{Promiscuous: true})
	if !promiscuous() {
		t.Error("a capture is not promiscuous")
	}
	openWire(t, "v1").send(t, frame(1))
	packets, _, err := c.Next(t.Context())
	if err != nil || len(packets) != 1 {
		t.Fatal(len(packets), err)
	}
	c.Close() // with packets out: the interface must be let go all the same
	if promiscuous() {
		t.Error("the interface stays promiscuous after Close")
	}
}

func TestOpenErrors(t *testing.T) {
	ownNetwork(t)
	var refused *classic.CheckError
	for _, c := range []struct {
		ifname string
		opts   Options
		want   string
		is     func(error) bool
	}{
		{"lo", Options{SnapLen: -1}, "snap length -1 is out of range", nil},
		{"lo", Options{SnapLen: MaxSnapLen + 1}, "snap length 262145 is out of range", nil},
		{"lo", Options{Buffer: MaxBuffer + 1}, "buffer size", nil},
		{"nowhere0", Options{}, `interface "nowhere0"`, nil},
		{"a name that is much too long", Options{}, "interface", nil},
		{"", Options{}, "interface", nil},
		{"lo", Options{Filter: []bpf.RawInstruction{}}, "capture filter", func(err error) bool { return errors.As(err, &refused) }},
		{"lo", Options{Filter: []bpf.RawInstruction{{Op: 0xffff}}}, "capture filter", func(err error) bool { return errors.As(err, &refused) }},
	} {
		got, err := Open(c.ifname, c.opts)
		if err == nil {
			got.Close()
			t.Errorf("%q, %+v: no error", c.ifname, c.opts)
		} else if !strings.Contains(err.Error(), c.want) || c.is != nil && !c.is(err) {
			t.Errorf("%q, %+v: got %v, want %q", c.ifname, c.opts, err, c.want)
		}
	}
}

// TestDamagedRing reads blocks of nonsense, which no kernel makes: an error, or packets within the block.
func TestDamagedRing(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	ne := binary.NativeEndian
	errs := 0
	const rounds = 20_000
	for n := range rounds {
		block := make([]byte, 1024)
		for i := range block {
			block[i] = byte(r.Uint32())
		}
		at := uint32(r.IntN(200))
		ne.PutUint32(block[blockFirst:], at)
		if n%2 == 0 { // a first packet that is right, or nearly
			ne.PutUint16(block[at+packetStart:], uint16(98+r.IntN(20)))
			ne.PutUint32(block[at+packetCaptured:], uint32(r.IntN(900)))
			ne.PutUint32(block[at+packetNext:], uint32(r.IntN(900)))
		}
		c := &Capture{ring: block, block: len(block), snap: 100, dev: device{link: []uint16{1, 101, 113, 276}[n%4]}}
		c.header = headerLen(c.dev.link)
		if err := c.read(); err != nil {
			errs++
			if !strings.HasPrefix(err.Error(), "the ring is damaged: ") {
				t.Fatal(err)
			}
		}
		if len(c.packets) > len(block)/packetArea {
			t.Fatalf("%d packets", len(c.packets))
		}
	}
	if errs == 0 || errs == rounds {
		t.Errorf("%d of %d blocks are found damaged", errs, rounds)
	}
}

// Implements the tests of filters on cooked headers, against the interpreter.

package live

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/classic/classictest"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

func mustVM(t *testing.T, prog []bpf.RawInstruction) *classic.VM {
	t.Helper()
	vm, err := classic.NewVM(prog)
	if err != nil {
		t.Fatalf("%v in\n%s", err, classic.Append(nil, prog, classic.FormD))
	}
	return vm
}

// cookedPair returns a random packet as the kernel's filters see it, and with its cooked header.
func cookedPair(r *rand.Rand, link uint16) (bare, cooked *spec.Packet) {
	info := Info{
		IfIndex: 1 + r.IntN(3), PktType: uint8(r.IntN(5)), HardwareType: []uint16{1, 772, 0xfffe}[r.IntN(3)],
		Protocol: []uint16{0x800, 0x800, 0x86dd, 0x806, 4}[r.IntN(5)],
	}
	data := make([]byte, r.IntN(120))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	if len(data) > 24 && info.Protocol == 0x800 {
		data[0], data[6], data[7], data[9] = 0x45, 0, 0, []byte{6, 17, 1}[r.IntN(3)]
		binary.BigEndian.PutUint16(data[22:], []uint16{53, 80, 443}[r.IntN(3)])
	}
	header := make([]byte, headerLen(link))
	address := []byte{byte(r.Uint32()), 2, 3, 4, 5, 6, 0, 0}
	putHeader(header, link, &info, 6, address)
	p := spec.Packet{Data: data, IfIndex: uint32(info.IfIndex), PktType: info.PktType, HardwareType: info.HardwareType, Protocol: info.Protocol}
	q := p
	q.Data, q.NetworkOffset = append(header, data...), len(header)
	return &p, &q
}

// TestUncook runs filters for cooked packets over those, and what the kernel is given over the packets without header.
func TestUncook(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	for _, link := range []uint16{LinkTypeLinuxSLL, LinkTypeLinuxSLL2} {
		for expr, inKernel := range map[string]bool{
			"": true, "ip": true, "ip6 or arp": true, "udp": true, "tcp port 80": true, "udp dst port 53 and not host 10.0.0.1": true,
			"ip[0] & 15 > 5": true, "icmp[icmptype] < 128 or udp[0:4] = 7": true, "inbound": true, "outbound": true, "not inbound and ip": true,
			"ifindex 2": true, "less 40": false, "greater 60 and udp": false, "link[1] = 3": false, "link[4:4] = 2": link == LinkTypeLinuxSLL2,
			"ip[ip[0]] & 1 = 1": true,
		} {
			p, err := pcap.Compile(expr, &pcap.Options{LinkType: pcap.LinkType(link), Source: pcap.SourceSocket})
			if err != nil {
				t.Fatalf("%q: %v", expr, err)
			}
			prog, whole, err := forKernel(p.Raw(), link, 99)
			if err != nil || whole != inKernel {
				t.Errorf("link type %d, %q: whole is %v, %v, want %v", link, expr, whole, err, inKernel)
			}
			if !whole {
				continue
			}
			plain, kernel, yes := mustVM(t, p.Raw()), mustVM(t, prog), 0
			for range 2000 {
				bare, cooked := cookedPair(r, link)
				want, got := min(plain.Run(cooked, nil), 99), kernel.Run(bare, nil)
				if got != want {
					t.Fatalf("link type %d, %q: %d, want %d, for % x", link, expr, got, want, cooked.Data)
				}
				if got > 0 {
					yes++
				}
			}
			if yes == 0 {
				t.Errorf("link type %d, %q: no packet matches", link, expr)
			}
		}
	}
}

// TestUncookRandom does the same with any valid program whatever.
func TestUncookRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	kept := 0
	for n := range 30_000 {
		link := []uint16{LinkTypeLinuxSLL, LinkTypeLinuxSLL2}[n%2]
		prog := classictest.Program(r, 1+r.IntN(20), classictest.Full)
		out, whole, err := forKernel(prog, link, MaxSnapLen)
		if err != nil || !whole {
			continue
		}
		kept++
		plain, kernel := mustVM(t, prog), mustVM(t, out)
		for range 8 {
			bare, cooked := cookedPair(r, link)
			seed := r.Uint64()
			random := func() *classic.Env { return &classic.Env{Random: rand.New(rand.NewPCG(seed, 1)).Uint32} }
			want, got := min(plain.Run(cooked, random()), MaxSnapLen), min(kernel.Run(bare, random()), MaxSnapLen)
			if got != want {
				t.Fatalf("link type %d: %d, want %d, for % x and\n%s", link, got, want, cooked.Data, classic.Append(nil, prog, classic.FormD))
			}
		}
	}
	t.Logf("%d programs run in the kernel", kept)
	if kept < 1000 {
		t.Error("that is too few")
	}
}

func TestCheckLate(t *testing.T) {
	for text, refused := range map[string]bool{"ld len\n ret a": false, "ld len\n ld mark\n ret a": true, "ld mark\n ret a": false, "ld len\n ld vlan_tci\n ret a": false} {
		prog, err := classic.Parse("test", text)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := forKernel(prog, LinkTypeLinuxSLL2, 100); (err != nil) != refused {
			t.Errorf("%q: got %v", text, err)
		}
		if _, whole, err := forKernel(prog, LinkTypeEthernet, 100); !whole || err != nil {
			t.Errorf("%q: %v, %v for Ethernet", text, whole, err)
		}
	}
}

func TestPutHeader(t *testing.T) {
	info := Info{IfIndex: 0x01020304, PktType: 4, HardwareType: 0x304, Protocol: 0x86dd}
	address := []byte{0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0, 0}
	for link, want := range map[uint16][]byte{
		LinkTypeLinuxSLL:  {0, 4, 3, 4, 0, 6, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0, 0, 0x86, 0xdd},
		LinkTypeLinuxSLL2: {0x86, 0xdd, 0, 0, 1, 2, 3, 4, 3, 4, 4, 6, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf, 0, 0},
	} {
		got := bytes.Repeat([]byte{0xff}, headerLen(link))
		putHeader(got, link, &info, 6, address)
		if !bytes.Equal(got, want) {
			t.Errorf("link type %d: got % x, want % x", link, got, want)
		}
	}
}

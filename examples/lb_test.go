package examples_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/skepbpf/skep"
)

// maglev computes the table of consistent hashing: each backend has its own order in which it would like the
// places, and they take turns. names[i] belongs to backend i; a name that is empty takes no part.
func maglev(names []string, size int) []uint32 {
	type order struct{ offset, skip, next int }
	orders := make([]order, len(names))
	for i, name := range names {
		h := fnv.New64a()
		h.Write([]byte(name))
		n := h.Sum64()
		orders[i] = order{offset: int(n % uint64(size)), skip: int(n>>32%uint64(size-1)) + 1}
	}
	table := make([]uint32, size)
	taken := make([]bool, size)
	for filled := 0; filled < size; {
		for i := range orders {
			if names[i] == "" || filled == size {
				continue
			}
			o := &orders[i]
			at := (o.offset + o.next*o.skip) % size
			for taken[at] {
				o.next++
				at = (o.offset + o.next*o.skip) % size
			}
			table[at], taken[at] = uint32(i), true
			filled++
		}
	}
	return table
}

// balancer is what user space does for the load balancer.
type balancer struct {
	t *testing.T
	c *skep.Collection
}

type lbAddress struct {
	IP       [4]byte
	Port     [2]byte // in the order of the network
	Protocol uint16
}

type lbBackend struct {
	IP             [4]byte
	MAC            [6]byte
	_              uint16
	_              uint32
	Packets, Bytes uint64
}

func (b balancer) put(name string, key, value any) {
	b.t.Helper()
	if err := b.c.Maps[name].Put(key, value); err != nil {
		b.t.Fatal(name, err)
	}
}

const lbTable = 1021

func (b balancer) spread(service uint32, names []string) {
	for i, n := range maglev(names, lbTable) {
		b.put("table", service*lbTable+uint32(i), n)
	}
}

// send runs a packet through, and returns the last byte of the backend's address.
func (b balancer) send(client byte, port uint16, transport layers.IPProtocol) (byte, []byte) {
	ip := ipv4([4]byte{192, 0, 2, client}, [4]byte{198, 51, 100, 1}, transport)
	var l4 gopacket.SerializableLayer
	if transport == layers.IPProtocolTCP {
		tcp := &layers.TCP{SrcPort: layers.TCPPort(port), DstPort: 80, SYN: true, Window: 1000}
		_ = tcp.SetNetworkLayerForChecksum(ip)
		l4 = tcp
	} else {
		udp := &layers.UDP{SrcPort: layers.UDPPort(port), DstPort: 80}
		_ = udp.SetNetworkLayerForChecksum(ip)
		l4 = udp
	}
	verdict, out := run(b.t, b.c.Programs["lb"], build(b.t, ethernet(), ip, l4, gopacket.Payload("hello")))
	if verdict != xdpTX {
		b.t.Fatalf("verdict %d", verdict)
	}
	return out[33], out
}

// TestLoadBalancer looks at packets, at how even the backends are used, and at what happens when one goes away.
func TestLoadBalancer(t *testing.T) {
	engines(t, func(t *testing.T, engine skep.Engine) {
		b := balancer{t, load(t, "lb", engine, nil)}
		defer b.c.Close()
		names := []string{"a", "b", "c", "d"}
		for i := range names {
			b.put("backends", uint32(i), lbBackend{IP: [4]byte{10, 0, 0, byte(i)}, MAC: [6]byte{2, 0, 0, 0, 1, byte(i)}})
		}
		for _, protocol := range []uint16{6, 17} {
			b.put("services", lbAddress{[4]byte{198, 51, 100, 1}, [2]byte{0, 80}, protocol}, uint32(3))
		}
		b.spread(3, names)
		first := map[string]byte{}
		counts := [4]int{}
		for client := range 20 {
			for port := range 20 {
				at, out := b.send(byte(client), 1000+uint16(port)*7, layers.IPProtocolTCP)
				first[fmt.Sprint(client, port)] = at
				counts[at]++
				checkRewritten(t, out, at)
			}
		}
		for i, n := range counts {
			if n < 50 || n > 150 {
				t.Errorf("backend %d got %d of 400 connections", i, n)
			}
		}
		_, out := b.send(1, 53, layers.IPProtocolUDP)
		checkRewritten(t, out, out[33])

		// Backend 2 goes. Connections that are known stay; new ones go elsewhere, and most of the others do not move.
		names[2] = ""
		b.spread(3, names)
		moved, others := 0, 0
		for client := range 20 {
			for port := range 20 {
				was := first[fmt.Sprint(client, port)]
				if at, _ := b.send(byte(client), 1000+uint16(port)*7, layers.IPProtocolTCP); at != was {
					t.Fatalf("a known connection went from %d to %d", was, at)
				}
			}
		}
		keys, err := allKeys(b)
		if err != nil || len(keys) == 0 {
			t.Fatal(len(keys), err)
		}
		for _, k := range keys {
			if err := b.c.Maps["connections"].Delete(k); err != nil {
				t.Fatal(err)
			}
		}
		for client := range 20 {
			for port := range 20 {
				was := first[fmt.Sprint(client, port)]
				at, _ := b.send(byte(client), 1000+uint16(port)*7, layers.IPProtocolTCP)
				if at == 2 {
					t.Fatal("a new connection went to a backend that is gone")
				}
				if was != 2 {
					others++
					if at != was {
						moved++
					}
				}
			}
		}
		if moved*5 > others {
			t.Errorf("%d of %d connections moved, although their backend stayed", moved, others)
		}
		if verdict, _ := run(t, b.c.Programs["lb"], capture(t)[0]); verdict != xdpPass {
			t.Errorf("a packet for nobody: %d", verdict)
		}
	})
}

func allKeys(b balancer) (keys [][]byte, err error) {
	it := b.c.Maps["connections"].Iterate()
	var key, value []byte
	for it.Next(&key, &value) {
		keys = append(keys, bytes.Clone(key))
	}
	return keys, it.Err()
}

// checkRewritten computes the checksums anew.
func checkRewritten(t *testing.T, out []byte, backend byte) {
	t.Helper()
	p := gopacket.NewPacket(out, layers.LayerTypeEthernet, gopacket.Default)
	ip, ok := p.NetworkLayer().(*layers.IPv4)
	if !ok || !bytes.Equal(ip.DstIP.To4(), []byte{10, 0, 0, backend}) || out[5] != backend || out[11] != 2 {
		t.Fatalf("% x", out)
	}
	var l4 gopacket.SerializableLayer
	switch l := p.TransportLayer().(type) {
	case *layers.TCP:
		_ = l.SetNetworkLayerForChecksum(ip)
		l4 = l
	case *layers.UDP:
		_ = l.SetNetworkLayerForChecksum(ip)
		l4 = l
	}
	eth := p.LinkLayer().(*layers.Ethernet)
	if again := build(t, eth, ip, l4, gopacket.Payload("hello")); !bytes.Equal(again[:len(out)], out) {
		t.Fatalf("got  % x\nwant % x", out, again)
	}
}

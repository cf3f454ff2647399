// Package examples_test runs the examples in C over packets, and asks the kernel whether it would take them.
package examples_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
)

// The verdicts of XDP and tc.
const (
	xdpDrop, xdpPass, xdpTX = 1, 2, 3
	tcOK, tcShot            = 0, 2
)

var names = []string{"dns", "firewall", "hist", "lb", "ratelimit", "sockfilter"}

func object(name string) string { return filepath.Join(name, name+".o") }

// load makes an example's collection for an engine.
func load(t *testing.T, name string, engine skep.Engine, change func(*skep.CollectionOptions)) *skep.Collection {
	t.Helper()
	opts := &skep.CollectionOptions{Programs: skep.Options{Engine: engine}}
	if change != nil {
		change(opts)
	}
	c, err := skep.LoadCollectionWithOptions(object(name), opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// engines runs a test on each engine.
func engines(t *testing.T, test func(t *testing.T, engine skep.Engine)) {
	t.Run("interp", func(t *testing.T) { test(t, skep.EngineInterp) })
	t.Run("auto", func(t *testing.T) { test(t, skep.EngineAuto) })
}

// capture reads the packets of traffic.pcap.
func capture(t *testing.T) [][]byte {
	t.Helper()
	data, err := os.ReadFile("traffic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var packets [][]byte
	for {
		p, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return packets
		} else if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
}

// build makes a packet of layers, with lengths and checksums.
func build(t *testing.T, list ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, list...); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ethernet() *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: []byte{2, 0, 0, 0, 0, 1}, DstMAC: []byte{2, 0, 0, 0, 0, 2}, EthernetType: layers.EthernetTypeIPv4}
}

func ipv4(from, to [4]byte, protocol layers.IPProtocol) *layers.IPv4 {
	return &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: protocol, SrcIP: from[:], DstIP: to[:]}
}

// run runs a program on a packet.
func run(t *testing.T, p *skep.Program, packet []byte) (uint32, []byte) {
	t.Helper()
	verdict, out, err := p.Test(packet)
	if err != nil {
		t.Fatal(err)
	}
	return verdict, out
}

// TestObjects loads all examples as they are, and lists what is missing.
func TestObjects(t *testing.T) {
	found, err := filepath.Glob("*/*.c")
	if err != nil || len(found) != len(names) {
		t.Errorf("%d sources, %d examples, %v", len(found), len(names), err)
	}
	for _, name := range names {
		c, err := elf.LoadFile(object(name), nil)
		if err != nil {
			t.Error(err)
			continue
		}
		if len(c.Programs) != 1 || c.Programs[0].Name != name || len(c.Programs[0].Lines) == 0 {
			t.Errorf("%s: %d programs", name, len(c.Programs))
		}
	}
}

// TestKernel asks the kernel's verifier.
func TestKernel(t *testing.T) {
	for _, name := range names {
		c, err := ebpf.LoadCollectionSpec(object(name))
		if err != nil {
			t.Fatal(err)
		}
		live, err := ebpf.NewCollection(c)
		var rejected *ebpf.VerifierError
		switch {
		case errors.As(err, &rejected):
			t.Errorf("%s: %+v", name, rejected)
		case err != nil:
			t.Skip("bpf(2) is not permitted here: ", strings.SplitN(err.Error(), "\n", 2)[0])
		default:
			live.Close()
		}
	}
}

func be16(b []byte) uint16 { return binary.BigEndian.Uint16(b) }

//go:build 386 || amd64 || arm || arm64 || loong64 || mips64le || mipsle || ppc64le || riscv64 || wasm

package bpf2go_test

import (
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/examples/bpf2go"
)

// tcp is a frame from 10.1.2.3 to a port.
func tcp(port byte) []byte {
	p := make([]byte, 64)
	copy(p[12:], []byte{0x08, 0x00, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 6, 0, 0, 10, 1, 2, 3, 192, 0, 2, 1, 200, 1, 0, port})
	return p
}

func TestFirewall(t *testing.T) {
	spec, err := bpf2go.LoadFirewall()
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Variables[bpf2go.FirewallVarClosedPorts].Set([8]uint16{25}); err != nil {
		t.Fatal(err)
	}
	coll, err := ebpf.NewCollection(spec)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, ebpf.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer coll.Close()

	firewall, blocked := coll.Programs[bpf2go.FirewallProgFirewall], coll.Maps[bpf2go.FirewallMapBlocked4]
	verdict := func(packet []byte) uint32 {
		t.Helper()
		v, out, err := firewall.Test(packet)
		if err != nil {
			t.Fatal(err)
		}
		if string(out) != string(packet) {
			t.Error("the packet is another afterwards")
		}
		return v
	}
	const drop, pass = 1, 2
	if v := verdict(tcp(80)); v != pass {
		t.Errorf("port 80: %d", v)
	}
	if v := verdict(tcp(25)); v != drop {
		t.Errorf("port 25, which is closed: %d", v)
	}
	network := bpf2go.FirewallNetwork4{Bits: 8, Addr: [4]byte{10}}
	if err := blocked.Put(network, bpf2go.FirewallCounter{}); err != nil {
		t.Fatal(err)
	}
	if v := verdict(tcp(80)); v != drop {
		t.Errorf("a blocked network: %d", v)
	}
	var hits bpf2go.FirewallCounter
	if err := blocked.Lookup(network, &hits); err != nil || hits.Packets != 1 || hits.Bytes != 64 {
		t.Errorf("%+v %v", hits, err)
	}
	if err := blocked.Lookup(bpf2go.FirewallNetwork4{Bits: 8, Addr: [4]byte{11}}, &hits); !errors.Is(err, ebpf.ErrKeyNotExist) {
		t.Errorf("a network that is not blocked: %v", err)
	}
}

package helper_test

import (
	"encoding/binary"
	"testing"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// bytesAt is guest memory that is one slice, at address 0.
type bytesAt []byte

func (b bytesAt) Bytes(addr uint64, n int, _ bool) ([]byte, error) {
	return b[addr : addr+uint64(n)], nil
}

func kfunc(t *testing.T, name string) helper.Func {
	t.Helper()
	for _, h := range helper.Table() {
		if h.Name == name {
			return h.Func
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// TestPacketHints reads what the network card knows of a packet, and what it does not.
func TestPacketHints(t *testing.T) {
	memory := make(bytesAt, 32)
	call := func(p *spec.Packet, name string) int32 {
		t.Helper()
		clear(memory)
		r, err := kfunc(t, "bpf_xdp_metadata_rx_"+name)(&helper.Call{Memory: memory, Packet: p}, 0, 8, 16, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return int32(r)
	}
	for _, name := range []string{"timestamp", "hash", "vlan_tag"} {
		if r := call(&spec.Packet{}, name); r != -61 {
			t.Errorf("%s of a packet of which nothing is known: %d", name, r)
		}
		if r := call(nil, name); r != -61 {
			t.Errorf("%s without a packet: %d", name, r)
		}
	}
	p := &spec.Packet{HWTimestamp: 1 << 40, Hash: 0xabcdef01, VLANPresent: true, VLANProto: 0x8100, VLANTCI: 0x123}
	if r := call(p, "timestamp"); r != 0 || binary.LittleEndian.Uint64(memory[8:]) != 1<<40 {
		t.Error(r, memory)
	}
	if r := call(p, "hash"); r != 0 || binary.LittleEndian.Uint32(memory[8:]) != 0xabcdef01 || binary.LittleEndian.Uint32(memory[16:]) != 8 {
		t.Error(r, memory)
	}
	if r := call(p, "vlan_tag"); r != 0 || binary.BigEndian.Uint16(memory[8:]) != 0x8100 || binary.LittleEndian.Uint16(memory[16:]) != 0x123 {
		t.Error(r, memory)
	}
}

package bpfmap_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// A map of Skep is used like one of cilium/ebpf.
func Example() {
	m, err := bpfmap.New(&spec.Map{Name: "ages", Type: spec.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 100}, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, id := range []uint32{7, 8} {
		if err := m.Put(id, uint64(id)*5); err != nil {
			log.Fatal(err)
		}
	}
	var age uint64
	fmt.Println(m.Lookup(uint32(7), &age), age)
	fmt.Println(errors.Is(m.Lookup(uint32(9), &age), ebpf.ErrKeyNotExist))
	sum := uint64(0)
	for _, value := range m.All() {
		sum += binary.LittleEndian.Uint64(value)
	}
	fmt.Println(sum)
	// Output:
	// <nil> 35
	// true
	// 75
}

// Tests can keep what a map holds, see what has changed, and go back.
func ExampleSnapshot() {
	m, err := bpfmap.New(&spec.Map{Name: "hits", Type: spec.Array, KeySize: 4, ValueSize: 4, MaxEntries: 3}, nil)
	if err != nil {
		log.Fatal(err)
	}
	before := m.Snapshot()
	if err := m.Put(uint32(1), uint32(5)); err != nil {
		log.Fatal(err)
	}
	for _, c := range before.Diff(m.Snapshot()) {
		fmt.Println(c)
	}
	fmt.Println(m.Restore(before))
	// Output:
	// 01000000: -00000000 +05000000
	// <nil>
}

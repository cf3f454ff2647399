// Implements the comparison of every type with the kernel's, operation by operation.

package bpfmap_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

// indexKeys are keys of arrays of n elements, some beyond.
func indexKeys(n int) (out [][]byte) {
	for i := range n + 3 {
		out = append(out, binary.LittleEndian.AppendUint32(nil, uint32(i)))
	}
	return append(out, []byte{255, 255, 255, 255})
}

func hashKeys(size, n int) (out [][]byte) {
	for i := range n {
		k := make([]byte, size)
		for j := range k {
			k[j] = byte(i * (j + 1))
		}
		k[0] = byte(i)
		out = append(out, k)
	}
	return out
}

// trieKeys are prefixes that lie in each other and next to each other, and two that are too long.
func trieKeys(data int) (out [][]byte) {
	for _, p := range []struct {
		length uint32
		bits   byte
	}{{0, 0}, {1, 0x80}, {1, 0}, {2, 0xc0}, {3, 0xe0}, {3, 0xa0}, {4, 0xff}, {7, 0xfe}, {8, 0xff}, {8, 0xfe}, {8, 1}, {5, 0x12}, {6, 0x10}, {7, 0x13},
		{9, 0x55}, {12, 0x55}, {16, 0x55}, {24, 0x55}, {24, 0x54}, {31, 0x55}, {32, 0x55}, {32, 0xaa}, {33, 0xaa}, {1000, 1}} {
		k := binary.LittleEndian.AppendUint32(nil, p.length)
		for i := range data {
			k = append(k, p.bits+byte(i*37)*(p.bits&1))
		}
		out = append(out, k)
	}
	return out
}

// numbers are little-endian numbers, filled up with zeros.
func numbers(size int, list ...uint32) (out [][]byte) {
	for _, n := range list {
		b := make([]byte, size)
		binary.LittleEndian.PutUint32(b, n)
		out = append(out, b)
	}
	return out
}

var kernelDefs = []maptest.Def{
	{Map: spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 4, MaxEntries: 5}, Keys: indexKeys(5)},
	{Map: spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 12, MaxEntries: 1, Flags: 1 << 10}, Keys: indexKeys(1)},
	{Map: spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 3, Flags: 1 << 3}, Keys: indexKeys(3)},
	{Map: spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 3, Flags: 1 << 4}, Keys: indexKeys(3)},
	{Map: spec.Map{Type: spec.PerCPUArray, KeySize: 4, ValueSize: 5, MaxEntries: 4}, Keys: indexKeys(4)},
	{Map: spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 10}, Keys: hashKeys(4, 14)},
	{Map: spec.Map{Type: spec.Hash, KeySize: 5, ValueSize: 20, MaxEntries: 7, Flags: 1}, Keys: hashKeys(5, 9)},
	{Map: spec.Map{Type: spec.Hash, KeySize: 16, ValueSize: 1, MaxEntries: 1, Flags: 1 << 6}, Keys: hashKeys(16, 3)},
	{Map: spec.Map{Type: spec.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 3, Flags: 1 << 4}, Keys: hashKeys(8, 5)},
	{Map: spec.Map{Type: spec.PerCPUHash, KeySize: 4, ValueSize: 12, MaxEntries: 6}, Keys: hashKeys(4, 8)},
	{Map: spec.Map{Type: spec.PerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 6, Flags: 1}, Keys: hashKeys(4, 8)},
	{Map: spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 4, MaxEntries: 1000}, Keys: hashKeys(4, 14)},
	{Map: spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 4, MaxEntries: 1000, Flags: 2}, Keys: hashKeys(4, 14)},
	{Map: spec.Map{Type: spec.LRUPerCPUHash, KeySize: 8, ValueSize: 4, MaxEntries: 1000}, Keys: hashKeys(8, 14)},
	{Map: spec.Map{Type: spec.LPMTrie, KeySize: 8, ValueSize: 4, MaxEntries: 12, Flags: 1}, Keys: trieKeys(4)},
	{Map: spec.Map{Type: spec.LPMTrie, KeySize: 5, ValueSize: 1, MaxEntries: 100, Flags: 1}, Keys: trieKeys(1)},
	{Map: spec.Map{Type: spec.LPMTrie, KeySize: 20, ValueSize: 16, MaxEntries: 100, Flags: 1}, Keys: trieKeys(16)},
	{Map: spec.Map{Type: spec.Queue, ValueSize: 4, MaxEntries: 5}},
	{Map: spec.Map{Type: spec.Stack, ValueSize: 12, MaxEntries: 5}},
	{Map: spec.Map{Type: spec.RingBuf, MaxEntries: 4096}},
	{Map: spec.Map{Type: spec.UserRingBuf, MaxEntries: 4096}},
	{Map: spec.Map{Type: spec.StackTrace, KeySize: 4, ValueSize: 80, MaxEntries: 5}, Keys: indexKeys(9)},
	{Map: spec.Map{Type: spec.CPUMap, KeySize: 4, ValueSize: 4, MaxEntries: 1}, Keys: indexKeys(1), Values: numbers(4, 0, 1, 192, 16384, 16385, 1<<31)},
	{Map: spec.Map{Type: spec.CPUMap, KeySize: 4, ValueSize: 8, MaxEntries: 1}, Keys: indexKeys(1), Values: numbers(8, 0, 1, 192, 16384, 16385, 1<<31)},
	{Map: spec.Map{Type: spec.Devmap, KeySize: 4, ValueSize: 4, MaxEntries: 4}, Keys: indexKeys(4), Values: numbers(4, 0, 1)},
	{Map: spec.Map{Type: spec.Devmap, KeySize: 4, ValueSize: 8, MaxEntries: 4}, Keys: indexKeys(4), Values: numbers(8, 0, 1)},
	{Map: spec.Map{Type: spec.DevmapHash, KeySize: 4, ValueSize: 4, MaxEntries: 4}, Keys: hashKeys(4, 6), Values: numbers(4, 0, 1)},
	{Map: spec.Map{Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 4}, Keys: indexKeys(4)},
	{Map: spec.Map{Type: spec.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}, Keys: indexKeys(1)},
	{Map: spec.Map{Type: spec.CGroupArray, KeySize: 4, ValueSize: 4, MaxEntries: 4}, Keys: indexKeys(4)},
	{Map: spec.Map{Type: spec.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 4}, Keys: indexKeys(4)},
	{Map: spec.Map{Type: spec.Sockmap, KeySize: 4, ValueSize: 4, MaxEntries: 4}, Keys: indexKeys(4), Values: numbers(4, 1<<30)},
	{Map: spec.Map{Type: spec.Sockmap, KeySize: 4, ValueSize: 8, MaxEntries: 4}, Keys: indexKeys(4), Values: numbers(8, 1<<30)},
	{Map: spec.Map{Type: spec.Sockhash, KeySize: 8, ValueSize: 8, MaxEntries: 4}, Keys: hashKeys(8, 6), Values: numbers(8, 1<<30)},
	{Map: spec.Map{Type: spec.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 4, Inner: &inner}, Keys: indexKeys(4)},
	{Map: spec.Map{Type: spec.ReuseportSockArray, KeySize: 4, ValueSize: 4, MaxEntries: 4}, Keys: indexKeys(4), Values: numbers(4, 1<<30)},
	{Map: spec.Map{Type: spec.ReuseportSockArray, KeySize: 4, ValueSize: 8, MaxEntries: 4}, Keys: indexKeys(4), Values: numbers(8, 1<<30)},
	{Map: spec.Map{Type: spec.Arena, MaxEntries: 4, Flags: 1 << 10}},
	{Map: spec.Map{Type: spec.HashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 4, Inner: &inner}, Keys: hashKeys(4, 6)},
}

var inner = spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1}

// TestKernel compares every type with the kernel's.
func TestKernel(t *testing.T) {
	for i := range kernelDefs {
		d := &kernelDefs[i]
		t.Run(fmt.Sprintf("%s/%d", d.Type, i), func(t *testing.T) {
			seeds := uint64(8)
			if testing.Short() {
				seeds = 2
			}
			for seed := range seeds {
				maptest.Compare(t, d, seed, 300)
			}
		})
	}
}

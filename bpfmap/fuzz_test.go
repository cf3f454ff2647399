// Implements the fuzzing of sequences of operations, against a plain Go map where that says enough.

package bpfmap_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

// FuzzOperations takes the first byte for a definition and the rest, four bytes each, for operations.
func FuzzOperations(f *testing.F) {
	for i := range kernelDefs {
		f.Add([]byte{byte(i), 0, 1, 0, 5, 1, 1, 0, 0, 2, 1, 0, 0, 9, 0, 0, 0, 5, 2, 3, 4, 6, 0, 0, 0, 7, 1, 1, 1, 8, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 4000 {
			return
		}
		d := kernelDefs[int(data[0])%len(kernelDefs)]
		d.CPUs = 2
		m := mustNew(t, d.Map, &bpfmap.Options{CPUs: 2})
		model := map[string]string{}
		for data = data[1:]; len(data) >= 4; data = data[4:] {
			o := fuzzOp(&d, data)
			got := d.Apply(m, o)
			if d.Type == spec.Hash && d.Flags&^1 == 0 {
				checkModel(t, &d, model, o, got)
			}
		}
		for i := range d.MaxEntries % 64 {
			m.StackID([]uint64{uint64(i), 2}, 0)
		}
		s := m.Snapshot()
		if err := m.Restore(s); err != nil {
			t.Fatal(err)
		}
		d.CheckWhole(t, m)
	})
}

// fuzzOp makes an operation of four bytes: kind, key, flags or number of elements, value.
func fuzzOp(d *maptest.Def, b []byte) maptest.Op {
	o := maptest.Op{Kind: maptest.Kind(b[0] % 10), Flags: uint64(b[2] % 9), Value: bytes.Repeat(b[3:4], int(d.ValueSize)), Size: int(b[2]) + 1}
	key := func(i int) []byte { return d.Keys[i%len(d.Keys)] }
	if d.KeySize == 0 {
		if o.Kind >= maptest.BatchUpdate {
			o.Kind = maptest.Lookup
		}
		return o
	}
	o.Key = key(int(b[1]))
	for i := range int(b[2]%8) + 1 {
		o.Keys = append(o.Keys, key(int(b[1])+i*int(b[3])))
	}
	return o
}

// checkModel does the operations on single keys of a hash map on a Go map.
func checkModel(t *testing.T, d *maptest.Def, model map[string]string, o maptest.Op, got string) {
	k := string(o.Key)
	v, there := model[k]
	want := "ok"
	missing := fmt.Sprint("error ", int(bpfmap.ENOENT))
	switch o.Kind {
	case maptest.Update:
		switch {
		case o.Flags > 2:
			want = fmt.Sprint("error ", int(bpfmap.EINVAL))
		case there && o.Flags == 1:
			want = fmt.Sprint("error ", int(bpfmap.EEXIST))
		case !there && o.Flags == 2:
			want = missing
		case !there && len(model) == int(d.MaxEntries):
			want = fmt.Sprint("error ", int(bpfmap.E2BIG))
		default:
			model[k] = string(o.Value)
		}
	case maptest.Delete:
		delete(model, k)
		if !there {
			want = missing
		}
	case maptest.Lookup, maptest.LookupAndDelete:
		want = missing
		if there {
			want = fmt.Sprintf("%x", v)
		}
		if o.Kind == maptest.LookupAndDelete {
			delete(model, k)
		}
	case maptest.BatchUpdate, maptest.BatchDelete, maptest.BatchLookupAndDelete:
		rebuild(model, o, got, d)
		return
	default:
		return
	}
	if got != want {
		t.Fatalf("%v: got %s, want %s", o, got, want)
	}
}

// rebuild follows a batch as far as it says it came.
func rebuild(model map[string]string, o maptest.Op, got string, d *maptest.Def) {
	n := 0
	fmt.Sscan(got, &n)
	switch o.Kind {
	case maptest.BatchUpdate:
		for i := range n {
			v := []byte(o.Value)
			v = bytes.Clone(v)
			v[0] += byte(i)
			model[string(o.Keys[i])] = string(v)
		}
	case maptest.BatchDelete:
		for i := range n {
			delete(model, string(o.Keys[i]))
		}
	case maptest.BatchLookupAndDelete:
		for _, word := range bytes.Fields([]byte(got)) {
			var k []byte
			if at := bytes.IndexByte(word, '='); at > 0 {
				fmt.Sscanf(string(word[:at]), "%x", &k)
				delete(model, string(k))
			}
		}
	}
}

// FuzzRing has a program that does anything it likes with the memory of a ring buffer and with offsets.
func FuzzRing(f *testing.F) {
	f.Add([]byte{0, 10, 1, 0, 2, 0, 3, 5, 4, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := mustNew(t, spec.Map{Type: spec.RingBuf, MaxEntries: 4096}, nil)
		var live []int
		for ; len(data) >= 2; data = data[2:] {
			n := int(data[1])
			switch data[0] % 6 {
			case 0:
				if off, ok := m.Reserve(uint64(n * 20)); ok {
					live = append(live, off)
				}
			case 1, 2:
				off := n * 37
				if len(live) > 0 && data[0]&8 == 0 {
					off = live[n%len(live)]
				}
				if data[0]%6 == 1 {
					m.Submit(off, 0)
				} else {
					m.Discard(off, 0)
				}
			case 3:
				m.Consume(nil)
			case 4:
				for i := range m.Memory() {
					m.Memory()[i] ^= byte(n) // headers as well
				}
			case 5:
				m.Output(make([]byte, n), uint64(n%5))
			}
			if avail := m.Query(bpfmap.RingAvailData); avail > 4096 || avail%8 != 0 {
				t.Fatalf("%d bytes to be read of 4096", avail)
			}
		}
		for _, off := range live {
			m.Submit(off, 0)
		}
		for n := 0; ; n++ {
			if _, _, ok := m.Consume(nil); !ok {
				break
			}
			if n > 4096 {
				t.Fatal("no end of records")
			}
		}
	})
}

// FuzzTrie compares a trie of 8-bit keys with the meaning of a longest prefix.
func FuzzTrie(f *testing.F) {
	f.Add([]byte{0, 8, 1, 0, 4, 2, 1, 4, 2, 2, 8, 3})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := mustNew(t, spec.Map{Type: spec.LPMTrie, KeySize: 5, ValueSize: 1, MaxEntries: 20, Flags: 1}, nil)
		model := map[[2]byte]byte{}
		for ; len(data) >= 3; data = data[3:] {
			length, b := data[1]%9, data[2]
			key := append(binary.LittleEndian.AppendUint32(nil, uint32(length)), b)
			at := [2]byte{length, b & ^byte(0xff>>length)}
			switch data[0] % 3 {
			case 0:
				_, there := model[at]
				e := m.UpdateElem(key, []byte{b}, 0, 0)
				if full := !there && len(model) == 20; full != (e == bpfmap.ENOSPC) || !full && e != 0 {
					t.Fatalf("update /%d %x: %v with %d elements", length, b, e, len(model))
				} else if e == 0 {
					model[at] = b
				}
			case 1:
				_, there := model[at]
				delete(model, at)
				if e := m.DeleteElem(key); (e == 0) != there {
					t.Fatalf("delete /%d %x: %v", length, b, e)
				}
			case 2:
				checkPrefix(t, m, model, key)
			}
		}
		n := 0
		for range m.All() {
			n++
		}
		if n != len(model) {
			t.Fatalf("the iteration comes to %d of %d", n, len(model))
		}
	})
}

func checkPrefix(t *testing.T, m *bpfmap.Local, model map[[2]byte]byte, key []byte) {
	off, ok := m.LookupOffset(key, 0)
	for length := int(key[0]); length >= 0; length-- {
		if v, there := model[[2]byte{byte(length), key[4] & ^byte(0xff>>length)}]; there {
			if !ok || m.Memory()[off] != v {
				t.Fatalf("lookup %x: %v, the longest prefix has %d bits", key, ok, length)
			}
			return
		}
	}
	if ok {
		t.Fatalf("lookup %x finds what is not there", key)
	}
}

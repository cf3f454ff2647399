// Implements the comparison with the kernel of storages and of values with a spin lock, which need BTF.

package bpfmap_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

// kernelBTF makes a kernel's map with BTF types.
func kernelBTF(t *testing.T, def *spec.Map, value btf.Type) *bpfmap.Kernel {
	t.Helper()
	s := maptest.KernelSpec(def)
	s.Key, s.Value = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, value
	m, err := ebpf.NewMap(s)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { m.Close() })
	return bpfmap.FromKernel(m)
}

// TestKernelStorage compares values of sockets.
func TestKernelStorage(t *testing.T) {
	def := spec.Map{Type: spec.SkStorage, KeySize: 4, ValueSize: 8, Flags: 1}
	k := kernelBTF(t, &def, &btf.Int{Name: "long", Size: 8})
	m, err := bpfmap.New(&def, nil)
	if err != nil {
		t.Fatal(err)
	}
	socks := sockets(t)
	r := rand.New(rand.NewPCG(1, 2))
	for step := range 500 {
		s := socks[r.IntN(len(socks))]
		fd := binary.NativeEndian.Uint32(s.kernel.([]byte))
		a, b := r.Uint64(), uint64(0)
		b = a
		flags := ebpf.MapUpdateFlags(r.IntN(4))
		var got, want error
		kind := r.IntN(5)
		switch kind {
		case 0:
			got, want = m.Update(s.local, a, flags), k.Update(fd, b, flags)
		case 1:
			got, want = m.Delete(s.local), k.Delete(fd)
		case 2:
			got, want = m.Lookup(s.local, &a), k.Lookup(fd, &b)
		case 3:
			got, want = m.LookupAndDelete(s.local, &a), k.LookupAndDelete(fd, &b)
		case 4:
			var x uint32
			got, want = m.NextKey(s.local, &x), k.NextKey(fd, &x)
		}
		if maptest.Errno(got) != maptest.Errno(want) || got == nil && a != b {
			t.Fatalf("step %d, kind %d, flags %d: got %v and %d, want %v and %d", step, kind, flags, got, a, want, b)
		}
	}
}

// TestKernelSpinLock compares values with a spin lock: copies leave it alone, and flags ask for it.
func TestKernelSpinLock(t *testing.T) {
	number := &btf.Int{Name: "unsigned int", Size: 4}
	value := &btf.Struct{Name: "value", Size: 12, Members: []btf.Member{
		{Name: "a", Type: number},
		{Name: "lock", Type: &btf.Struct{Name: "bpf_spin_lock", Size: 4, Members: []btf.Member{{Name: "val", Type: number}}}, Offset: 32},
		{Name: "b", Type: number, Offset: 64}}}
	for _, ty := range []spec.MapType{spec.Hash, spec.Array} {
		def := spec.Map{Type: ty, KeySize: 4, ValueSize: 12, MaxEntries: 3, Fields: []spec.MapField{{Kind: spec.SpinLock, Offset: 4}}}
		k := kernelBTF(t, &def, value)
		m, err := bpfmap.New(&def, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := m.Freeze(), k.Freeze(); maptest.Errno(a) != maptest.Errno(b) {
			t.Errorf("freeze: got %v, want %v", a, b)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for step := range 1000 {
			key := uint32(r.IntN(5))
			flags := ebpf.MapUpdateFlags(r.IntN(9))
			in := [3]uint32{r.Uint32(), r.Uint32(), r.Uint32()}
			var a, b [3]uint32
			var got, want error
			what := ""
			switch r.IntN(4) {
			case 0, 1:
				what = fmt.Sprint("update ", key, flags)
				got, want = m.Update(key, in, flags), k.Update(key, in, flags)
			case 2:
				what = fmt.Sprint("lookup ", key, flags)
				got, want = m.LookupWithFlags(key, &a, ebpf.MapLookupFlags(flags)), k.LookupWithFlags(key, &b, ebpf.MapLookupFlags(flags))
			case 3:
				what = fmt.Sprint("lookup and delete ", key, flags)
				got, want = m.LookupAndDeleteWithFlags(key, &a, ebpf.MapLookupFlags(flags)), k.LookupAndDeleteWithFlags(key, &b, ebpf.MapLookupFlags(flags))
			}
			if maptest.Errno(got) != maptest.Errno(want) || got == nil && a != b {
				t.Fatalf("%s, step %d, %s: got %v and %x, want %v and %x", ty, step, what, got, a, want, b)
			}
		}
	}
}

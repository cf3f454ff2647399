// Implements the comparison with the kernel's maps.

package maptest

import (
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// NewKernel makes the kernel's map of a definition. It skips the test if the kernel may not be asked.
func NewKernel(t testing.TB, def *spec.Map) (*bpfmap.Kernel, error) {
	t.Helper()
	needKernel(t)
	m, err := ebpf.NewMap(KernelSpec(def))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { m.Close() })
	return bpfmap.FromKernel(m), nil
}

// needKernel skips the test if maps cannot be made.
func needKernel(t testing.TB) {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		t.Skipf("the kernel does not make maps here: %v", err)
	}
	m.Close()
}

// KernelSpec returns the definition as cilium/ebpf has it.
func KernelSpec(def *spec.Map) *ebpf.MapSpec {
	s := &ebpf.MapSpec{Type: ebpf.MapType(def.Type), KeySize: def.KeySize, ValueSize: def.ValueSize, MaxEntries: def.MaxEntries,
		Flags: def.Flags, MapExtra: def.Extra}
	if def.Inner != nil {
		s.InnerMap = KernelSpec(def.Inner)
	}
	return s
}

// Compare does the same random operations on a map of Skep and on the kernel's, and fails the test where they
// do not come to the same.
func Compare(t *testing.T, d *Def, seed uint64, steps int) {
	t.Helper()
	k, err := NewKernel(t, &d.Map)
	if err != nil {
		t.Fatalf("the kernel does not make the map: %v", err)
	}
	d.CPUs = ebpf.MustPossibleCPU()
	m, err := bpfmap.New(&d.Map, &bpfmap.Options{CPUs: d.CPUs})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range steps {
		o := d.Random(r)
		if got, want := d.Apply(m, o), d.Apply(k, o); got != want {
			t.Fatalf("seed %d, step %d, %v:\n got  %s\n want %s", seed, i, o, got, want)
		}
	}
	if got, want := d.Contents(m), d.Contents(k); got != want {
		t.Fatalf("seed %d: at the end:\n got  %s\n want %s", seed, got, want)
	}
}

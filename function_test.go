package skep_test

import (
	"errors"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// pure loads a program as a Go function, or skips the test where there is no machine code.
func pure(t testing.TB, text string, opts skep.Options) skep.Func {
	t.Helper()
	if !nativeHost {
		t.Skip("no machine code here")
	}
	p := assemble(t, text)
	for i, in := range p.Insns {
		if in.Code == 0x18 && in.Imm == 77 {
			p.Maps = append(p.Maps, spec.MapRef{Insn: i, Map: "m", Value: true})
		}
	}
	opts.UnsafeTrust = true
	prog, err := skep.Load(p, &opts)
	if err != nil {
		t.Fatal(err)
	}
	f, err := prog.Func()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFunc(t *testing.T) {
	sum := pure(t, "r0 = 0\nr2 += r1\nif r1 == r2 goto end\nnext: r3 = *(u8 *)(r1 + 0)\nr0 += r3\nr1 += 1\nif r1 != r2 goto next\nend: exit", skep.Options{})
	data := []byte{1, 2, 3, 250}
	if r0, yield := sum(unsafe.Pointer(&data[0]), uint64(len(data))); r0 != 256 || yield != 0 {
		t.Errorf("%d, %d", r0, yield)
	}
	if n := testing.AllocsPerRun(100, func() { sum(unsafe.Pointer(&data[0]), 4) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestFuncKeepsMaps collects garbage while only the function refers to its map.
func TestFuncKeepsMaps(t *testing.T) {
	m, err := bpfmap.New(&spec.Map{Name: "m", Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	count := pure(t, "r3 = 77 ll\nr0 = 1\nlock *(u64 *)(r3 + 0) += r0\nr0 = *(u64 *)(r3 + 0)\nexit", skep.Options{Maps: map[string]*bpfmap.Local{"m": m}})
	m = nil
	for i := range uint64(20) {
		runtime.GC()
		if r0, _ := count(nil, 0); r0 != i+1 {
			t.Fatalf("%d, want %d", r0, i+1)
		}
	}
}

// TestFuncYields runs a loop without an end until the collector wants the goroutine.
func TestFuncYields(t *testing.T) {
	forever := pure(t, "r0 = 0\nnext: r0 += 1\nif r0 != r1 goto next\nexit", skep.Options{})
	go func() {
		time.Sleep(10 * time.Millisecond)
		runtime.GC()
	}()
	if _, yield := forever(unsafe.Pointer(nil), 0); yield == 0 {
		t.Error("a loop of 2^64 rounds ended")
	}
}

func TestFuncRefuses(t *testing.T) {
	for _, text := range []string{"r0 = 1\n*(u64 *)(r10 - 8) = r0\nexit", "call ktime_get_ns\nexit", "r8 = 1\nr0 = r8\nexit"} {
		for _, trust := range []bool{true, false} {
			prog, err := skep.Load(assemble(t, text), &skep.Options{UnsafeTrust: trust})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := prog.Func(); !errors.Is(err, skep.ErrNotSupported) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

func BenchmarkFunc(b *testing.B) {
	f := pure(b, "r0 = *(u32 *)(r1 + 0)\nexit", skep.Options{})
	data := make([]byte, 8)
	for b.Loop() {
		f(unsafe.Pointer(&data[0]), 8)
	}
}

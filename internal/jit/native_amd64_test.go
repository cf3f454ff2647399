//go:build linux

package jit_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/internal/enginetest"
	"github.com/skepbpf/skep/internal/execmem"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/cabi"
	"github.com/skepbpf/skep/spec"
)

// compile compiles a program.
func compile(p *spec.Program) (*jit.Native, error) {
	prog, err := ir.Decode(p, ir.Options{})
	if err != nil {
		return nil, err
	}
	return jit.Compile(prog)
}

func compileText(t testing.TB, text string) *jit.Native {
	t.Helper()
	p, err := asm.Assemble("test", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// place puts code into memory. Calls go to the given functions, by a thunk behind the code each, since a
// call reaches no further than two gigabytes.
func place(n *jit.Native, targets map[int32]uintptr) (*execmem.Code, error) {
	code := append([]byte(nil), n.Code...)
	thunks := map[int32]int{}
	for id, addr := range targets {
		thunks[id] = len(code)
		code = append(code, 0x48, 0xb8) // mov rax, addr
		code = binary.LittleEndian.AppendUint64(code, uint64(addr))
		code = append(code, 0xff, 0xe0) // jmp rax
	}
	for _, c := range n.Calls {
		at, ok := thunks[c.ID]
		if !ok {
			return nil, fmt.Errorf("call of helper %d, which is not there", c.ID)
		}
		binary.LittleEndian.PutUint32(code[c.Off:], uint32(at-c.Off-4))
	}
	return execmem.New(code, nil)
}

// run is an enginetest.Runner over native code.
func run(v enginetest.Vector) (uint64, error) {
	n, err := compile(v.Program)
	if err != nil {
		return 0, err
	}
	code, err := place(n, nil)
	if err != nil {
		return 0, err
	}
	defer code.Close()
	words := make([]uint64, len(v.Mem)/8+1) // aligned, for atomics
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(v.Mem))
	copy(mem, v.Mem)
	r1 := uint64(0)
	if len(mem) > 0 {
		r1 = uint64(uintptr(unsafe.Pointer(&words[0])))
	}
	r0 := cabi.Call(code.Addr(), r1, uint64(len(mem)))
	runtime.KeepAlive(words)
	return r0, nil
}

// trusted reports whether a program may run with nothing to hold it: all its vectors do what they must, and
// none asks for what stand-alone functions do not have.
func trusted(v enginetest.Vector) bool {
	if v.Error != "" || v.Program.Type != spec.Unspec {
		return false
	}
	n, err := compile(v.Program)
	return err == nil && len(n.Calls) == 0
}

func TestNativeVectors(t *testing.T) {
	count := 0
	for _, v := range append(enginetest.Vectors(t), enginetest.PublicVectors(t)...) {
		if !trusted(v) {
			continue
		}
		count++
		t.Run(v.Name, func(t *testing.T) {
			r0, err := run(v)
			if err := v.Check(r0, err); err != nil {
				t.Error(err)
			}
		})
	}
	if count < 150 {
		t.Errorf("only %d vectors", count)
	}
}

func TestNativeRows(t *testing.T) {
	enginetest.RunRows(t, func(t testing.TB, v enginetest.Vector) (uint64, error) {
		if !trusted(v) {
			return v.Result, nil
		}
		return run(v)
	})
}

// TestNativeRandom compares native code with the reference machine on random programs, for a second or as
// long as SKEP_DIFFERENTIAL says.
func TestNativeRandom(t *testing.T) {
	length := time.Second
	if s := os.Getenv("SKEP_DIFFERENTIAL"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	start, count := time.Now(), 0
	for seed := uint64(start.UnixNano()); time.Since(start) < length; seed++ {
		rng := rand.New(rand.NewPCG(seed, 7))
		v, err := enginetest.RandomVector(rng, enginetest.Options{Mem: 8 * rng.IntN(9), Size: 8 + rng.IntN(60)})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r0, err := run(v)
		if err := v.Check(r0, err); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, enginetest.Listing(v.Program.Insns))
		}
		count++
	}
	t.Logf("%d programs", count)
}

//go:build linux

package jit_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"testing"

	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/cabi"
)

// The tests of this file are named after the requirements of the mission (docs/mission.md), the 2014
// description of internal BPF: those that run machine code.

// address puts code where it can run until the test ends, and returns where that is.
func address(t testing.TB, n *jit.Native, targets map[int32]uintptr) uintptr {
	t.Helper()
	code, err := place(n, targets)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { code.Close() })
	return code.Addr()
}

// f2 between two functions that no BPF compiler made.
func TestMissionS13ThreeFunctions(t *testing.T) {
	addr := address(t, mission(t, f2), map[int32]uintptr{helperIDs["f3"]: cabi.F3()})
	if got := cabi.Call(cabi.F1(addr)); got != 1 {
		t.Errorf("f1() is %d, want 1", got)
	}
	for _, a := range []uint64{0, 1, 1<<64 - 1} {
		if got := cabi.Call(addr, a); got != 1 {
			t.Errorf("f2(%#x) is %d, want 1", a, got)
		}
	}
}

// f1 and f3 alone do what the example says, so that S13 shows what it means to.
func TestMissionS15FunctionsFromOutside(t *testing.T) {
	if got := cabi.Call(cabi.F3(), 50, 8); got != 42 {
		t.Errorf("f3(50, 8) is %d, want 42", got)
	}
	argument := address(t, compileText(t, "r0 = r1\nexit"), nil)
	if got := cabi.Call(cabi.F1(argument)); got != 1 {
		t.Errorf("f1 passes %d, want 1", got)
	}
	wide := mission(t, "r2 = 5\ncall f3\nexit")
	addr := address(t, wide, map[int32]uintptr{helperIDs["f3"]: cabi.F3()})
	if got := cabi.Call(addr, 1<<40); got != 1<<40-5 {
		t.Errorf("f3 sees other arguments: %#x", got)
	}
}

// mix is a function of all five arguments and a constant, as BPF and in Go.
func mix(constant string) string {
	return "r0 = " + constant + ` ll
		r0 *= 31
		r0 ^= r1
		r0 *= 31
		r0 ^= r2
		r0 *= 31
		r0 ^= r3
		r0 *= 31
		r0 ^= r4
		r0 *= 31
		r0 ^= r5
		r1 = -1 /* what a callee may spoil */
		r2 = -1
		r3 = -1
		r4 = -1
		r5 = -1
		r6 = -1 /* and what it must restore */
		r7 = -1
		exit`
}

func mixed(constant uint64, args ...uint64) uint64 {
	for _, a := range args {
		constant = constant*31 ^ a
	}
	return constant
}

func TestMissionS23FooBarNative(t *testing.T) {
	foo := address(t, compileText(t, mix("0x1234567890abcdef")), nil)
	bar := address(t, compileText(t, mix("0xfedcba0987654321")), nil)
	addr := address(t, mission(t, fooBar), map[int32]uintptr{helperIDs["foo"]: foo, helperIDs["bar"]: bar})
	rng := rand.New(rand.NewPCG(23, 0))
	for range 1000 {
		ctx := rng.Uint64()
		want := mixed(0x1234567890abcdef, ctx, 2, 3, 4, 5) + mixed(0xfedcba0987654321, ctx, 6, 7, 8, 9)
		if got := cabi.Call(addr, ctx); got != want {
			t.Fatalf("ctx %#x gives %#x, want %#x", ctx, got, want)
		}
	}
}

func TestMissionS24FullWidthResultNative(t *testing.T) {
	foo := address(t, compileText(t, "r0 = 0xdeadbeefcafebabe ll\nexit"), nil)
	addr := address(t, mission(t, "call foo\nexit"), map[int32]uintptr{helperIDs["foo"]: foo})
	if got := cabi.Call(addr); got != 0xdeadbeefcafebabe {
		t.Errorf("the result is %#x", got)
	}
}

// TestMissionS19CallerSaved runs programs that write every register, with markers in those that belong to
// the caller, while collections and a profile go on.
func TestMissionS19CallerSaved(t *testing.T) {
	n := compileText(t, `
		r6 = 6
		r7 = 7
		r8 = 8
		r9 = 9
		r0 = 3000
	next:
		r6 += r0
		r7 ^= r6
		r8 -= r7
		r9 *= r8
		r0 -= 1
		if r0 != 0 goto next
		call half
		r0 += r9
		exit
	half:
		r6 = 1
		r9 = 2
		r7 = r9
		r8 = r6
		r0 = 0
		exit`)
	code, err := place(n, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer code.Close()
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	var profile bytes.Buffer
	if pprof.StartCPUProfile(&profile) == nil {
		defer pprof.StopCPUProfile()
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	for range 20_000 {
		if !cabi.Preserves(code.Addr()) {
			t.Error("a register of the caller has changed")
			break
		}
	}
	close(stop)
	wg.Wait()
}

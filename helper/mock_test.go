package helper_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// load assembles and loads a program.
func load(t testing.TB, typ spec.ProgramType, text string, opts *skep.Options) *skep.Program {
	t.Helper()
	p, err := asm.Assemble("test", text, &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.Type, p.License = "test", typ, "GPL"
	prog, err := skep.Load(p, opts)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

const twoPrints = `
	*(u64 *)(r10 - 8) = 0x6968
	r1 = r10
	r1 += -8
	r2 = 3
	call trace_printk
	r6 = r0
	*(u64 *)(r10 - 8) = 0x6f79
	r1 = r10
	r1 += -8
	r2 = 3
	call trace_printk
	r0 += r6
	exit`

func TestMock(t *testing.T) {
	for name, engine := range engines {
		m := helper.NewMock("bpf_trace_printk").Returns(5, 7)
		rule := m.When("yo").Returns(100)
		prog := load(t, spec.SocketFilter, twoPrints, &skep.Options{Engine: engine, Helpers: helper.Mocks(m)})
		for i, want := range []uint32{105, 107, 107} {
			if r, err := prog.Run(nil); err != nil || r != want {
				t.Errorf("%s: run %d: %d, %v, want %d", name, i, r, err, want)
			}
		}
		if calls := m.Calls(); len(calls) != 6 || string(calls[1].Memory[0]) != "yo\x00" || calls[1].Args[1] != 3 || calls[1].Result != 100 || rule.Count() != 3 {
			t.Errorf("%s: %d calls, the rule has answered %d\n%s", name, len(calls), rule.Count(), m)
		}
		m.Reset()
		broken := errors.New("broken")
		rule.Fails(broken)
		if _, err := prog.Run(nil); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
		if len(m.Calls()) != 2 || m.Calls()[1].Err != broken {
			t.Errorf("%s: calls are\n%s", name, m)
		}
	}
}

func TestMockPass(t *testing.T) {
	for name, engine := range engines {
		m, err := bpfmap.New(&spec.Map{Name: "counts", Type: spec.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4}, nil)
		if err != nil {
			t.Fatal(err)
		}
		update := helper.NewMock("map_update_elem").Pass()
		update.When(nil, []byte{9}).Returns(helper.Failure(7))
		prog := load(t, spec.SocketFilter, `
			r6 = r1
			*(u64 *)(r10 - 16) = 77
			*(u32 *)(r10 - 4) = 1
			r1 = map[counts]
			r2 = r10
			r2 += -4
			r3 = r10
			r3 += -16
			r4 = 0
			call map_update_elem
			*(u32 *)(r10 - 4) = 9
			r1 = map[counts]
			r2 = r10
			r2 += -4
			r3 = r10
			r3 += -16
			r4 = 0
			call map_update_elem
			exit`, &skep.Options{Engine: engine, Helpers: helper.Mocks(update), Maps: map[string]*bpfmap.Local{"counts": m}})
		if r, err := prog.Run(nil); err != nil || int32(r) != -7 {
			t.Errorf("%s: %d, %v", name, int32(r), err)
		}
		var v uint64
		if err := m.Lookup(uint32(1), &v); err != nil || v != 77 {
			t.Errorf("%s: %d, %v", name, v, err)
		}
		if err := m.Lookup(uint32(9), &v); err == nil {
			t.Errorf("%s: the call that the rule answers has changed the map", name)
		}
	}
}

func TestMockRefuses(t *testing.T) {
	for name, f := range map[string]func(){
		"name":      func() { helper.NewMock("no_such_helper") },
		"condition": func() { helper.NewMock("loop").When(1.5) },
		"arguments": func() { helper.NewMock("loop").When(1, 2, 3, 4, 5, 6) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

func TestMockConcurrent(t *testing.T) {
	m := helper.NewMock("trace_printk").Returns(1)
	prog := load(t, spec.SocketFilter, twoPrints, &skep.Options{Helpers: helper.Mocks(m)})
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 100 {
				prog.Run(nil)
			}
		}()
	}
	wg.Wait()
	if n := len(m.Calls()); n != 800 {
		t.Errorf("%d calls", n)
	}
}

func ExampleMock() {
	clock := helper.NewMock("ktime_get_ns").Returns(100, 250)
	p, err := asm.Assemble("elapsed", `
		call ktime_get_ns
		r6 = r0
		call ktime_get_ns
		r0 -= r6
		exit`, &asm.Options{Helper: helper.ID})
	if err != nil {
		panic(err)
	}
	p.Type = spec.SocketFilter
	prog, err := skep.Load(p, &skep.Options{Helpers: helper.Mocks(clock)})
	if err != nil {
		panic(err)
	}
	elapsed, err := prog.Run(nil)
	fmt.Println(elapsed, err)
	fmt.Print(clock)
	// Output:
	// 150 <nil>
	// ktime_get_ns() = 100
	// ktime_get_ns() = 250
}

package helper_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
)

//go:generate clang-19 -O2 -g -target bpf -mcpu=v3 -Wall -Wno-unused-variable -Wno-unused-function -Wno-missing-declarations -Wno-compare-distinct-pointer-types -I/usr/include/x86_64-linux-gnu -ffile-prefix-map=${PWD}=. -fdebug-compilation-dir=. -c testdata/environment.bpf.c -o testdata/environment.bpf.o
//go:generate llvm-strip-19 -g testdata/environment.bpf.o

// environment is a program of the object with its variables.
type environment struct {
	t testing.TB
	*skep.Collection
}

func withEnv(t testing.TB, engine skep.Engine, env *helper.Env) environment {
	t.Helper()
	c, err := skep.LoadCollectionWithOptions("testdata/environment.bpf.o", &skep.CollectionOptions{Programs: skep.Options{Engine: engine, Env: env}})
	if err != nil {
		t.Fatal(err)
	}
	return environment{t, c}
}

// run runs a program with values for the variable in, and returns its result.
func (e environment) run(name string, in ...uint64) int32 {
	e.t.Helper()
	var all [8]uint64
	copy(all[:], in)
	if err := e.Variables["in"].Set(all); err != nil {
		e.t.Fatal(err)
	}
	r, err := e.Programs[name].Run(nil)
	if err != nil {
		e.t.Fatalf("%s: %v", name, err)
	}
	return int32(r)
}

type results struct {
	V    [64]uint64
	Text [512]byte
}

func (e environment) results() (r results) {
	e.t.Helper()
	if err := e.Variables["o"].Get(&r); err != nil {
		e.t.Fatal(err)
	}
	return r
}

// want compares the first results. Negative numbers stand for themselves.
func (e environment) want(want ...int64) {
	e.t.Helper()
	r := e.results()
	for i, w := range want {
		if r.V[i] != uint64(w) {
			e.t.Errorf("result %d is %d (%#x), want %d", i, int64(r.V[i]), r.V[i], w)
		}
	}
}

func eachEngine(t *testing.T, f func(t *testing.T, engine skep.Engine)) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) { f(t, engine) })
	}
}

type ticks struct{ Count, Key, At, Again, Timer1, Timer2 uint64 }

// TestTimers lets a clock run and looks when timers are called.
func TestTimers(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		clock := &helper.Clock{}
		e := withEnv(t, engine, &helper.Env{Clock: clock, Boot: 1000, Failed: func(err error) { t.Error(err) }})
		ticking := func(key uint32) (v ticks) {
			t.Helper()
			if err := e.Maps["ticking"].Lookup(key, &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		clock.Advance(500)
		if r := e.run("start", 5, 100, 2, 0, 1); r != 0 {
			t.Fatal(r)
		}
		if n := clock.Advance(99); n != 0 {
			t.Errorf("%d calls too early", n)
		}
		if n := clock.Advance(11); n != 2 { // at 600, and again at 610
			t.Errorf("%d calls", n)
		}
		if v := ticking(5); v.Count != 2 || v.Key != 5 || v.At != 610 || v.Again != 0 {
			t.Errorf("%+v", v)
		}
		if n := clock.Advance(time.Hour); n != 1 || ticking(5).At != 620 {
			t.Errorf("%d calls, the last at %d", n, ticking(5).At)
		}
		now := clock.Now()
		if r := e.run("start", 6, now+1500, 0, 1, 7); r != 0 { // absolute, by the clock that counts sleep
			t.Fatal(r)
		}
		if n := clock.Advance(499) + clock.Advance(1); n != 1 || ticking(6).At != now+500 {
			t.Errorf("%d calls at %d", n, ticking(6).At)
		}
		e.run("start", 7, 100, 0, 0, 1)
		if r := e.run("cancel", 7); r != 1 {
			t.Errorf("cancelled: %d", r)
		}
		if r := e.run("cancel", 7); r != 0 {
			t.Errorf("cancelled again: %d", r)
		}
		e.run("start", 8, 100, 0, 0, 1)
		if r := e.run("drop", 8); r != 0 {
			t.Error(r)
		}
		e.run("start", 9, 100, 0, 0, 1)
		if err := e.Maps["ticking"].Delete(uint32(9)); err != nil {
			t.Fatal(err)
		}
		if n := clock.Advance(1000); ticking(7).Count != 0 {
			t.Errorf("%d calls after all were cancelled", n)
		}
		e.run("start", 99, 1, 0, 0, 1) // cancels itself
		clock.Advance(10)
		if r := e.results(); int64(r.V[10]) != -35 {
			t.Errorf("a timer that cancels itself gets %d", int64(r.V[10]))
		}
	})
}

// TestRealTimers runs timers and work queues by the real clock.
func TestRealTimers(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		if r := e.run("start", 1, 1e6, 2, 0, 1); r != 0 {
			t.Fatal(r)
		}
		if r := e.run("work"); r != 0 {
			t.Fatal(r)
		}
		for range 1000 {
			var v ticks
			var w [3]uint64
			if e.Maps["ticking"].Lookup(uint32(1), &v) == nil && e.Maps["working"].Lookup(uint32(1), &w) == nil && v.Count == 3 && w[0] == 2 {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Error("timers were not called in five seconds")
	})
}

// TestSpinLock has many runs and Go code change a value under its lock.
func TestSpinLock(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		const workers, times = 4, 2000
		var wg sync.WaitGroup
		for range workers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				inst := e.Programs["count"].NewInstance()
				for range times {
					if r, err := inst.Run(nil); err != nil || r != 1 {
						t.Errorf("%d, %v", r, err)
						return
					}
				}
			}()
		}
		type value struct {
			Lock, Pad uint32
			A, B      uint64
		}
		for i := range times {
			var v value
			if err := e.Maps["locked"].LookupWithFlags(uint32(0), &v, ebpf.LookupLock); err != nil {
				t.Fatal(err)
			}
			if v.A != v.B {
				t.Fatalf("a value in the middle of a change: %+v", v)
			}
			if i == times/2 {
				v.A, v.B = 1e6, 1e6
				if err := e.Maps["locked"].Update(uint32(0), v, ebpf.UpdateLock); err != nil {
					t.Fatal(err)
				}
			}
		}
		wg.Wait()
		var v value
		if err := e.Maps["locked"].Lookup(uint32(0), &v); err != nil || v.A != v.B || v.Lock != 0 {
			t.Errorf("%+v, %v", v, err)
		}
	})
}

// TestForgottenLock runs into a lock that nobody gives back.
func TestForgottenLock(t *testing.T) {
	e := withEnv(t, skep.EngineInterp, nil)
	e.Maps["locked"].Memory()[0] = 1
	start := time.Now()
	if r, err := e.Programs["count"].Run(nil); err == nil {
		t.Errorf("a lock that is taken was given: %d", r)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

func TestMemory(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		env := &helper.Env{
			User:   []helper.Region{{Addr: 0x400000, Data: []byte("usermem!")}, {Addr: 0x400008, Data: []byte("some string\x00")}},
			Kernel: []helper.Region{{Addr: 0xffff888000001000, Data: []byte("kernel mem\x00xxxxx")}},
		}
		e := withEnv(t, engine, env)
		le := func(s string) int64 { return int64(binary.LittleEndian.Uint64([]byte(s))) }
		e.run("memory", 0x400000, 0xffff888000001000, 0x400008)
		e.want(0, le("usermem!"), 0, le("kernel m"), 12, 11, -14, 0, 0, -14, 0, 0x4142434445464748)
		r := e.results()
		if !bytes.HasPrefix(r.Text[:], []byte("some string\x00")) || !bytes.HasPrefix(r.Text[64:], []byte("kernel mem\x00")) {
			t.Errorf("%q", r.Text[:128])
		}
		if string(env.User[0].Data) != "HGFEDCBA" {
			t.Errorf("%q", env.User[0].Data)
		}
		env.Symbols = []helper.Symbol{{Name: "known", Addr: 0x1234}}
		env.TypeID = func(name string, kind uint32) (uint32, bool) { return 55, name == "known" && kind == 4 }
		e.run("copies", 0x400000, 0, 0x400008)
		e.want(0, le("HGFEDCBA"), -14, 0, 8, -14, 3, -22, -1, -1, 0, 0x1234, -2, 0, 55, -2)
		if r := e.results(); string(r.Text[:20]) != "some st\x00\x00\x00\x00\x00\x00\x00\x00\x00so\x00\x00" && string(r.Text[:19]) != "some st\x00\x00\x00\x00\x00\x00\x00\x00\x00so\x00" {
			t.Errorf("%q", r.Text[:20])
		}
	})
}

func TestStacks(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, &helper.Env{Task: &helper.Task{KernelStack: []uint64{10, 11, 12}, UserStack: []uint64{20, 21, 22, 23}}})
		e.run("stacks")
		e.want(24, 24, 64, -22, -14, -22, -22, 1, 1, -14, -22, 16)
		r := e.results()
		at := func(off int) uint64 { return binary.LittleEndian.Uint64(r.Text[off:]) }
		for off, want := range map[int]uint64{0: 10, 16: 12, 24: 0, 64: 21, 80: 23, 88: 0, 128: 2, 152: 20, 184: 21, 200: 10, 208: 11} {
			if at(off) != want {
				t.Errorf("at %d: %d, want %d", off, at(off), want)
			}
		}
		// There are none by default.
		e = withEnv(t, engine, nil)
		e.run("stacks")
		e.want(-14, -14, -14)
	})
}

func taskStruct(pid, tgid uint32) []byte {
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, pid), tgid)
}

func TestTasks(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		root := &helper.Cgroup{ID: 1}
		group := &helper.Cgroup{ID: 7, Parent: root}
		var signals []helper.Signal
		env := &helper.Env{
			Task: &helper.Task{PID: 11, TGID: 10, UID: 3, GID: 4, Comm: "a name of a task", Cgroup: group, ClassID: 6, Struct: taskStruct(11, 10),
				PIDNamespace: &helper.PIDNamespace{Device: 3, Inode: 4, PID: 2, TGID: 1}},
			Tasks:  []*helper.Task{{PID: 21, TGID: 21, Struct: taskStruct(21, 21)}, {PID: 22, TGID: 21, Struct: taskStruct(22, 21)}, {PID: 31, TGID: 31, Struct: taskStruct(31, 31)}},
			Signal: func(s helper.Signal) int { signals = append(signals, s); return 0 },
		}
		e := withEnv(t, engine, env)
		for i, g := range []*helper.Cgroup{root, {ID: 99}} {
			if err := e.Maps["groups"].Put(uint32(i), g); err != nil {
				t.Fatal(err)
			}
		}
		for again := range int64(2) {
			e.run("tasks")
			e.want(11, 10<<32|11, 4<<32|3, 0, 7, 1, 7, 0, 1, 0, 21, 31, 77, 1, 21, 40+again, 0, 0, 0, -2, 1, 0, 1, 1, 1, 1, 0, -11, -7, 0, 0, -22, 6)
		}
		r := e.results()
		if string(r.Text[:24]) != "a name of a tas\x00\x02\x00\x00\x00\x01\x00\x00\x00" {
			t.Errorf("%q", r.Text[:24])
		}
		if len(signals) != 4 || signals[0].Number != 10 || signals[0].Thread || signals[1].Number != 12 || !signals[1].Thread || signals[0].Task != env.Task {
			t.Errorf("%+v", signals)
		}
		var v uint64
		if err := e.Maps["stored"].Lookup(env.Tasks[0], &v); err != nil || v != 42 {
			t.Errorf("what belongs to a task: %d, %v", v, err)
		}
	})
}

func TestClocks(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		env := &helper.Env{Now: func() uint64 { return 5e9 }, Boot: 7, TAI: 37e9, HZ: 1000, Random: func() uint32 { return 0xfffffff0 }, CPU: func() uint32 { return 2 }, NUMANode: 1}
		e := withEnv(t, engine, env)
		e.run("clocks")
		e.want(5e9, 5e9+7, 42e9, 5e9, 1<<32-300000+5000, 0xfffffff0, 2, 1)
		e = withEnv(t, engine, nil)
		e.run("clocks")
		if tai := time.Unix(0, int64(e.results().V[2])); time.Since(tai) > time.Minute || time.Until(tai) > time.Minute {
			t.Errorf("TAI is %v", tai)
		}
	})
}

type messages []string

func (m *messages) Write(b []byte) (int, error) { *m = append(*m, string(b)); return len(b), nil }

func TestTrace(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		var m messages
		e := withEnv(t, engine, &helper.Env{Trace: &m, Symbols: []helper.Symbol{{Name: "before", Addr: 0x1000}, {Name: "behind", Addr: 0x1100}}})
		if err := e.Variables["text"].Set([64]byte{'h', 'i'}); err != nil {
			t.Fatal(err)
		}
		e.run("prints")
		e.want(6, 28, 13, -22)
		if got := fmt.Sprintf("%q", m); got != `["one 1\n" "two before before+0x10/0x100\n" "four 1 2 3 hi\n"]` {
			t.Error(got)
		}
	})
}

func TestIterators(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		e.run("numbers")
		sum := int64(0)
		for i := int64(-3); i < 5; i++ {
			sum = sum*3 + i
		}
		e.want(0, sum, 0, 0, -22, 0, -7, 0, 0x7ffffffd, 0x7ffffffe)
	})
}

func TestDrain(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		for i := range uint64(5) {
			if errno := e.Maps["user"].UserOutput(binary.LittleEndian.AppendUint64(nil, i+1)); errno != 0 {
				t.Fatal(errno)
			}
		}
		e.run("drain")
		e.want(0, 1, -22, 0, 2, -22, 0, 3, -22, 3, -22)
		e.run("drain")
		e.want(0, 4, -22, 0, 5, -22, 2, -22)
	})
}

// TestHeldPointers keeps a pointer in a map from one run to another, of another program at that.
func TestHeldPointers(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, &helper.Env{Tasks: []*helper.Task{{PID: 21, TGID: 21, Struct: taskStruct(21, 21)}, {PID: 22, TGID: 22, Struct: taskStruct(22, 22)}}})
		for _, c := range []struct{ put, get uint64 }{{21, 0}, {22, 21}, {0, 22}, {0, 0}} {
			e.run("hold", c.put)
			e.want(int64(c.get))
		}
	})
}

func TestThrow(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		for in, want := range map[uint64]int32{1: 2, 2: 3, 5: 50} {
			if r := e.run("throws", in); r != want {
				t.Errorf("%d: %d, want %d", in, r, want)
			}
		}
	})
}

// TestLists keeps objects of the program's in a list and a tree, from one run to another.
func TestLists(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		for i := range uint64(4) {
			if r := e.run("list_push", i, i%2); r != 0 { // 3 1 0 2
				t.Fatal(r)
			}
		}
		for _, c := range []struct {
			front uint64
			want  int32
		}{{1, 3}, {0, 2}, {1, 1}, {1, 0}, {1, -1}, {0, -1}} {
			if r := e.run("list_pop", 0, c.front); r != c.want {
				t.Errorf("popped %d, want %d", r, c.want)
			}
		}
		for _, v := range []uint64{5, 1, 9, 3, 7, 3} {
			if r := e.run("tree_add", v); r != 0 {
				t.Fatal(r)
			}
		}
		if r := e.run("tree_change", 1); r != 0 { // 1 becomes 2, and stays the first
			t.Fatal(r)
		}
		for _, want := range []int32{2, 3, 3, 5, 7, 9, -1} {
			if r := e.run("tree_take"); r != want {
				t.Errorf("took %d, want %d", r, want)
			}
		}
	})
}

// TestListsConcurrent loses nothing and gets nothing twice.
func TestListsConcurrent(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		if err := e.Variables["in"].Set([8]uint64{1}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		const workers, times = 4, 300
		popped := make([]int, workers)
		for w := range workers {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range times {
					if r, err := e.Programs["list_push"].Run(nil); err != nil || r != 0 {
						t.Errorf("%d, %v", r, err)
					}
					r, err := e.Programs["list_pop"].Run(nil)
					if err != nil {
						t.Error(err)
					}
					if r == 1 {
						popped[w]++
					}
				}
			}()
		}
		wg.Wait()
		n := 0
		for _, p := range popped {
			n += p
		}
		for e.run("list_pop", 1) == 1 {
			n++
		}
		if n != workers*times {
			t.Errorf("%d of %d came back", n, workers*times)
		}
	})
}

// TestBareTask reads a task that has no structure: the run fails, and nothing else.
func TestBareTask(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine skep.Engine) {
		e := withEnv(t, engine, nil)
		if r, err := e.Programs["tasks"].Run(nil); err == nil {
			t.Errorf("it returned %d", r)
		}
	})
}

package skep_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

const endless = "r0 = 0\nnext: r0 += 1\ngoto next"

func TestLimit(t *testing.T) {
	each(t, assemble(t, endless), skep.Options{}, func(t *testing.T, prog *skep.Program) {
		for _, limit := range []uint64{1, 2, 3, 100, 1001, 1 << 20, 1<<20 + 1} {
			r, err := prog.RunContext(t.Context(), &skep.RunOptions{Limit: limit})
			if !errors.Is(err, skep.ErrLimit) || r.Insns != limit {
				t.Errorf("limit %d: %v after %d instructions", limit, err, r.Insns)
			}
		}
	})
}

func TestCancel(t *testing.T) {
	each(t, assemble(t, endless), skep.Options{}, func(t *testing.T, prog *skep.Program) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		start := time.Now()
		r, err := prog.RunContext(ctx, &skep.RunOptions{Limit: skep.NoLimit})
		if !errors.Is(err, context.DeadlineExceeded) || r.Insns == 0 {
			t.Errorf("%v after %d instructions", err, r.Insns)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v to stop", took)
		}
	})
}

// TestHelperFails checks the three ways a helper can end a run, and that the program runs again afterwards.
func TestHelperFails(t *testing.T) {
	broken := errors.New("broken")
	mode := ""
	h := helper.Helper{ID: 1000, Name: "moody", Func: func(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) {
		switch mode {
		case "error":
			return 0, broken
		case "exit":
			return 7, helper.ErrExit
		case "panic":
			panic("helper panics")
		}
		return 1, nil
	}}
	p := assemble(t, "call f\nr0 += 100\nexit\nf: *(u64 *)(r10 - 8) = 1\ncall 1000\nexit")
	each(t, p, skep.Options{Helpers: []helper.Helper{h}}, func(t *testing.T, prog *skep.Program) {
		inst := prog.NewInstance()
		for range 3 {
			mode = "error"
			_, err := inst.Run(nil)
			var f *skep.Fault
			if !errors.Is(err, broken) || !errors.As(err, &f) || f.Code != skep.HelperFailed || f.Insn != 4 || !strings.Contains(err.Error(), "moody") {
				t.Errorf("failing helper: %v", err)
			}
			mode = "exit"
			if r0, err := inst.Run(nil); r0 != 7 || err != nil {
				t.Errorf("helper that ends the program: %d, %v", r0, err)
			}
			mode = "panic"
			func() {
				defer func() {
					if r := recover(); r != "helper panics" {
						t.Errorf("recovered %v", r)
					}
				}()
				inst.Run(nil)
			}()
			mode = ""
			if r0, err := inst.Run(nil); r0 != 101 || err != nil {
				t.Errorf("afterwards: %d, %v", r0, err)
			}
			if got, err := prog.Run(nil); got != 101 || err != nil {
				t.Errorf("afterwards, by the program: %d, %v", got, err)
			}
		}
	})
}

// TestHelperMemory checks what helpers may touch: what the program may.
func TestHelperMemory(t *testing.T) {
	fill := helper.Helper{ID: 1000, Name: "fill", Args: []helper.Arg{helper.MemOut, helper.Size}, Func: func(c *helper.Call, p, n, _, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(p, int(n), true)
		for i := range b {
			b[i] = 0x5a
		}
		return 0, err
	}}
	sum := helper.Helper{ID: 1001, Name: "sum", Args: []helper.Arg{helper.Mem, helper.Size}, Func: func(c *helper.Call, p, n, _, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(p, int(n), false)
		total := uint64(0)
		for _, v := range b {
			total += uint64(v)
		}
		return total, err
	}}
	for _, c := range []struct {
		text string
		want uint64
		code any // nil: it works
	}{
		{"r1 = r10\nr1 += -16\nr2 = 16\ncall 1000\nr0 = *(u64 *)(r10 - 12)\nexit", 0x5a5a5a5a5a5a5a5a, nil},
		{"r1 = r10\nr1 += -16\nr2 = 16\ncall 1001\nexit", 0, skep.UninitStack},
		{"*(u64 *)(r10 - 16) = 1\nr1 = r10\nr1 += -16\nr2 = 8\ncall 1001\nexit", 1, nil},
		{"*(u64 *)(r10 - 16) = 1\nr1 = r10\nr1 += -16\nr2 = 9\ncall 1001\nexit", 0, skep.UninitStack},
		{"r1 = r10\nr1 += -16\nr2 = 17\ncall 1000\nexit", 0, skep.OutOfBounds},
		{"r2 = 8\ncall 1000\nr0 = 0\nexit", 0, nil},
		{"r2 = 9\ncall 1000\nexit", 0, skep.OutOfBounds},
		{"r2 = -1\ncall 1000\nexit", 0, skep.OutOfBounds},
		{"r1 = 0\nr2 = 1\ncall 1001\nexit", 0, skep.OutOfBounds},
	} {
		able := engines
		if c.code == any(skep.UninitStack) {
			able = watching
		}
		on(t, able, assemble(t, c.text), skep.Options{Helpers: []helper.Helper{fill, sum}}, func(t *testing.T, prog *skep.Program) {
			r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: make([]byte, 8)})
			var f *skep.Fault
			switch {
			case c.code == nil && (err != nil || r.R0 != c.want):
				t.Errorf("%q: %#x, %v, want %#x", c.text, r.R0, err, c.want)
			case c.code != nil && (!errors.As(err, &f) || any(f.Code) != c.code):
				t.Errorf("%q: %v, want a fault of class %v", c.text, err, c.code)
			}
		})
	}
}

func TestDataAndContext(t *testing.T) {
	data := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	keep := bytes.Clone(data)
	each(t, assemble(t, "*(u8 *)(r1 + 2) = 99\nr0 = r2\nexit"), skep.Options{}, func(t *testing.T, prog *skep.Program) {
		opts := &skep.RunOptions{Data: data, DataOut: []byte{}, Repeat: 3}
		if r0, err := prog.Run(opts); r0 != 8 || err != nil {
			t.Errorf("%d, %v", r0, err)
		}
		if !bytes.Equal(opts.DataOut, []byte{1, 2, 99, 4, 5, 6, 7, 8}) || !bytes.Equal(data, keep) {
			t.Errorf("left %v, and the caller's is %v", opts.DataOut, data)
		}
	})

	// cb can be written, len cannot; metadata is there.
	filter := assemble(t, "r2 = *(u32 *)(r1 + 8)\n*(u32 *)(r1 + 48) = r2\nr0 = *(u32 *)(r1 + 16)\nr0 = be16 r0\nexit")
	filter.Type = spec.SocketFilter
	each(t, filter, skep.Options{}, func(t *testing.T, prog *skep.Program) {
		opts := &skep.RunOptions{Packet: &spec.Packet{Data: data, Mark: 0x1234, Protocol: 0x86dd, WireLen: 100}, ContextOut: []byte{}}
		if r0, err := prog.Run(opts); r0 != 0x86dd || err != nil {
			t.Errorf("protocol %#x, %v", r0, err)
		}
		if c := opts.ContextOut; len(c) != 192 || binary.LittleEndian.Uint32(c[48:]) != 0x1234 || binary.LittleEndian.Uint32(c) != 100 {
			t.Errorf("context % x", c)
		}
	})
	// The same with and without metadata, one after the other, in every way to run.
	each(t, filter, skep.Options{}, func(t *testing.T, prog *skep.Program) {
		inst, p := prog.NewInstance(), &spec.Packet{Data: data, Protocol: 0x800}
		for range 2 {
			a, err1 := inst.Run(data)
			b, err2 := inst.RunPacket(p)
			c, err3 := prog.Run(&skep.RunOptions{Packet: p})
			d, err4 := prog.Run(&skep.RunOptions{Data: data})
			if a != 0 || b != 0x800 || c != 0x800 || d != 0 || errors.Join(err1, err2, err3, err4) != nil {
				t.Errorf("protocols %#x, %#x, %#x, %#x", a, b, c, d)
			}
		}
	})
	for text, code := range map[string]any{
		"*(u32 *)(r1 + 0) = 1\nr0 = 0\nexit":                                                    skep.ReadOnly,
		"r0 = *(u32 *)(r1 + 192)\nexit":                                                         skep.OutOfBounds,
		"r2 = *(u32 *)(r1 + 76)\nr0 = *(u8 *)(r2 + 8)\nexit":                                    skep.OutOfBounds,
		"r2 = *(u32 *)(r1 + 76)\n*(u8 *)(r2 + 0) = 1\nr0 = 0\nexit":                             skep.ReadOnly,
		"r6 = r10\nr0 = *(u8 *)skb[0]\nexit":                                                    skep.BadContext,
		"r2 = 1\nlock *(u32 *)(r1 + 48) += r2\nr0 = 0\nexit":                                    skep.ReadOnly,
		"r2 = *(u32 *)(r1 + 80)\nr3 = *(u32 *)(r1 + 76)\nr2 -= r3\nr0 = *(u64 *)(r3 + 1)\nexit": skep.OutOfBounds,
	} {
		p := assemble(t, text)
		p.Type = spec.SocketFilter
		each(t, p, skep.Options{}, func(t *testing.T, prog *skep.Program) {
			_, err := prog.Run(&skep.RunOptions{Data: data})
			var f *skep.Fault
			if !errors.As(err, &f) || any(f.Code) != code {
				t.Errorf("%q: %v, want a fault of class %v", text, err, code)
			}
		})
	}

	// An XDP program sees and changes the packet through its pointers.
	xdp := assemble(t, `
		r2 = *(u32 *)(r1 + 4)
		r1 = *(u32 *)(r1 + 0)
		r3 = r1
		r3 += 4
		if r3 > r2 goto short
		*(u8 *)(r1 + 3) = 200
		r0 = 2
		exit
	short:
		r0 = 1
		exit`)
	xdp.Type = spec.XDP
	each(t, xdp, skep.Options{}, func(t *testing.T, prog *skep.Program) {
		opts := &skep.RunOptions{Data: data, DataOut: []byte{}}
		if r0, err := prog.Run(opts); r0 != 2 || err != nil || opts.DataOut[3] != 200 {
			t.Errorf("verdict %d, %v, left %v", r0, err, opts.DataOut)
		}
		if r0, err := prog.Run(&skep.RunOptions{Data: data[:3]}); r0 != 1 || err != nil {
			t.Errorf("short packet: verdict %d, %v", r0, err)
		}
	})
}

// TestLargeData reads and writes where data goes over the 16 MiB steps of the address space, and at its ends.
func TestLargeData(t *testing.T) {
	const step = 16 << 20
	data := make([]byte, 2*step+100)
	for _, at := range []int{0, step - 4, step - 1, step, 2*step - 3, 2 * step, len(data) - 8} {
		binary.LittleEndian.PutUint64(data[at:], 0x1122334455667788)
		text := fmt.Sprintf("r1 += %d\nr0 = *(u64 *)(r1 + 0)\n*(u64 *)(r1 + 0) = 5\nr2 = *(u64 *)(r1 + 0)\nr0 += r2\nexit", at)
		each(t, assemble(t, text), skep.Options{}, func(t *testing.T, prog *skep.Program) {
			inst := prog.NewInstance()
			if r0, err := inst.Run(data); err != nil || r0 != 0x112233445566778d {
				t.Errorf("at %#x: %#x, %v", at, r0, err)
			}
			if got := binary.LittleEndian.Uint64(inst.Data()[at:]); got != 5 {
				t.Errorf("at %#x: left %#x", at, got)
			}
			// With less data the rest is gone.
			_, err := inst.Run(data[:min(at+7, len(data)-1)])
			var f *skep.Fault
			if !errors.As(err, &f) || f.Code != skep.OutOfBounds {
				t.Errorf("at %#x of %d bytes: %v", at, at+7, err)
			}
		})
		clear(data[at : at+8])
	}
	tooLong := assemble(t, "r0 = 0\nexit")
	tooLong.Type = spec.Tracepoint
	each(t, tooLong, skep.Options{}, func(t *testing.T, prog *skep.Program) {
		if _, err := prog.Run(&skep.RunOptions{Context: data, ContextOut: []byte{}}); !errors.Is(err, skep.ErrNotSupported) {
			t.Errorf("a context of %d bytes: %v", len(data), err)
		}
	})
}

// TestAcquireOddly loads with acquire ordering from memory that lies oddly in the host.
func TestAcquireOddly(t *testing.T) {
	p := assemble(t, "r2 = *(u32 *)(r1 + 76)\nr0 = load_acquire((u32 *)(r2 + 4))\nr3 = load_acquire((u8 *)(r2 + 1))\nr0 += r3\nexit")
	p.Type = spec.CGroupSKB
	each(t, p, skep.Options{}, func(t *testing.T, prog *skep.Program) {
		host := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		for off := range 8 {
			data := host[off : off+8 : off+8]
			copy(data, []byte{9, 3, 9, 9, 1, 0, 0, 0})
			if r0, err := prog.Run(&skep.RunOptions{Data: data}); r0 != 4 || err != nil {
				t.Errorf("at offset %d: %d, %v", off, r0, err)
			}
		}
	})
}

func TestZeroUninitialized(t *testing.T) {
	each(t, assemble(t, "r0 = *(u64 *)(r10 - 8)\nr0 += r7\nr1 = *(u32 *)(r10 - 300)\nr0 += r1\nexit"), skep.Options{ZeroUninitialized: true}, func(t *testing.T, prog *skep.Program) {
		if r0, err := prog.Run(nil); r0 != 0 || err != nil {
			t.Errorf("%d, %v", r0, err)
		}
	})
}

func TestConcurrentRuns(t *testing.T) {
	p := assemble(t, "r0 = *(u64 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r0\ncall 1000\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit")
	each(t, p, skep.Options{Helpers: []helper.Helper{constant(1000, "one", 1)}}, func(t *testing.T, prog *skep.Program) {
		var wg sync.WaitGroup
		for g := range uint64(8) {
			wg.Go(func() {
				data := binary.LittleEndian.AppendUint64(nil, g)
				for range 500 {
					if r, err := prog.RunContext(context.Background(), &skep.RunOptions{Data: data}); err != nil || r.R0 != g+1 {
						t.Errorf("goroutine %d: %d, %v", g, r.R0, err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestInstanceDoesNotAllocate(t *testing.T) {
	p := assemble(t, "call f\nr1 = r10\nr1 += -8\ncall 7\n*(u64 *)(r10 - 8) = r0\nexit\nf: r0 = *(u8 *)(r1 + 0)\nexit")
	each(t, p, skep.Options{}, func(t *testing.T, prog *skep.Program) {
		inst, data := prog.NewInstance(), make([]byte, 64)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := inst.Run(data); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations per run", n)
		}
	})
}

// TestLoadRefuses checks that what cannot run is refused by name before it runs.
func TestLoadRefuses(t *testing.T) {
	for _, c := range []struct {
		p     *spec.Program
		opts  skep.Options
		words string
	}{
		{assemble(t, "call 99999\nexit"), skep.Options{}, "99999"},
		{&spec.Program{Insns: []isa.Instruction{isa.Call.Make(0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}, Calls: []spec.CallRef{{Insn: 0, Helper: "nonsense"}}}, skep.Options{}, "nonsense"},
		{&spec.Program{Insns: []isa.Instruction{isa.Exit.Make(0, 0, 0, 0)}, Calls: []spec.CallRef{{Insn: 9, Helper: "ktime_get_ns"}}}, skep.Options{}, "outside"},
		{assemble(t, "call kfunc 5\nexit"), skep.Options{}, "kernel function"},
		{assemble(t, "r1 = map[m]\nr0 = 0\nexit"), skep.Options{}, `map "m"`},
		{assemble(t, "r1 = map[fd:3]\nr0 = 0\nexit"), skep.Options{}, "not supported"},
		{assemble(t, "r1 = addr_space_cast(r1, 0, 1)\nr0 = 0\nexit"), skep.Options{}, "arena"},
		{assemble(t, "r6 = r1\nr0 = *(u8 *)skb[0]\nexit"), skep.Options{}, "unspec"},
		{assemble(t, "r0 = r4\nexit"), skep.Options{Engine: skep.EngineJIT}, "machine code"},
		{assemble(t, "r0 = 0\nexit"), skep.Options{Helpers: []helper.Helper{{ID: 1, Name: "empty"}}}, "no body"},
		{assemble(t, "r0 = 0\nexit"), skep.Options{Extensions: []isa.Extension{{Name: "bad"}}}, "bad"},
		{&spec.Program{Name: "nameless", Insns: nil}, skep.Options{}, "program nameless: the program has no instructions"},
	} {
		_, err := skep.Load(c.p, &c.opts)
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("error %v, want one with %q", err, c.words)
		}
	}
}

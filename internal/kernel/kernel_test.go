// Implements the tests of loading and running, against the kernel they run on.

//go:build linux

package kernel

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"

	"golang.org/x/sys/unix"
)

func needKernel(t testing.TB) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
}

func TestRunFunc(t *testing.T) {
	needKernel(t)
	exit := isa.Exit.Make(0, 0, 0, 0)
	for _, c := range []struct {
		name string
		code []isa.Instruction
		mem  string
		r0   uint64
		out  string
	}{
		{"all 64 bits of R0 arrive", []isa.Instruction{isa.LdImm64.Make(0, 0, 0, 0x11223344), {Imm: -2}, exit}, "", 0xfffffffe11223344, ""},
		{"no memory is 0, 0", []isa.Instruction{isa.Mov64Reg.Make(0, 1, 0, 0), isa.Add64Reg.Make(0, 2, 0, 0), exit}, "", 0, ""},
		{"R2 is the length", []isa.Instruction{isa.Mov64Reg.Make(0, 2, 0, 0), exit}, "abc", 3, "abc"},
		{"memory is read and written", []isa.Instruction{isa.Ldx16.Make(0, 1, 1, 0), isa.St8.Make(1, 0, 2, 'x'), exit}, "abcd", 'c'<<8 | 'b', "abxd"},
		{"local calls", []isa.Instruction{isa.CallLocal.Make(0, 0, 0, 2), isa.Add64Imm.Make(0, 0, 0, 1), exit,
			isa.Mov64Imm.Make(0, 0, 0, 41), exit}, "", 42, ""},
		{"the largest memory", []isa.Instruction{isa.Ldx8.Make(0, 1, MaxFuncMemory-1, 0), exit}, strings.Repeat("a", MaxFuncMemory), 'a', strings.Repeat("a", MaxFuncMemory)},
	} {
		r0, out, err := RunFunc(c.code, []byte(c.mem))
		if err != nil || r0 != c.r0 || string(out) != c.out {
			t.Errorf("%s: got %#x, %q, %v, want %#x, %q", c.name, r0, out, err, c.r0, c.out)
		}
	}
	if _, _, err := RunFunc([]isa.Instruction{exit}, make([]byte, MaxFuncMemory+1)); err == nil {
		t.Error("memory that is too large is accepted")
	}
}

func TestFuncRunsAgain(t *testing.T) {
	needKernel(t)
	f, err := LoadFunc([]isa.Instruction{isa.Ldx8.Make(0, 1, 0, 0), isa.Exit.Make(0, 0, 0, 0)}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for n := range 256 {
		if r0, _, err := f.Run([]byte{byte(n)}); err != nil || r0 != uint64(n) {
			t.Fatalf("run %d gave %d, %v", n, r0, err)
		}
	}
	if _, _, err := f.Run(nil); err == nil {
		t.Error("memory of another size than the function was loaded for is accepted")
	}
}

func TestVerifierError(t *testing.T) {
	needKernel(t)
	_, _, err := RunFunc([]isa.Instruction{isa.Ldx64.Make(0, 1, 1, 0), isa.Exit.Make(0, 0, 0, 0)}, make([]byte, 8))
	var refused *VerifierError
	if !errors.As(err, &refused) || !errors.Is(err, unix.EACCES) {
		t.Fatalf("got %v, want a *VerifierError with EACCES", err)
	}
	reason, at := refused.Reason()
	if !strings.HasSuffix(reason, "R1 offset is outside of the packet") || !strings.HasSuffix(at, "r0 = *(u64 *)(r1 +1)") {
		t.Errorf("reason %q at %q", reason, at)
	}
	if refused.Base == 0 || !strings.HasPrefix(at, "18:") || refused.Base != 18 {
		t.Errorf("the function starts at %d, the log names %q", refused.Base, at)
	}
}

func TestVerifierErrorReason(t *testing.T) {
	for _, c := range []struct{ log, reason, at string }{
		{"", "", ""},
		{"unreachable insn 16\nprocessed 0 insns (limit 1000000) max_states_per_insn 0\n", "unreachable insn 16", ""},
		{"0: R1=ctx() R10=fp0\n0: (b7) r0 = 0    ; R0_w=0\n1: (bf) r3 = r4\nR4 !read_ok\nprocessed 2 insns (limit 1000000)\n", "R4 !read_ok", "1: (bf) r3 = r4"},
		{"4: (79) r0 = *(u64 *)(r1 +1)   ; R0=1\ninvalid access\nR1 offset is outside\n", "invalid access; R1 offset is outside", "4: (79) r0 = *(u64 *)(r1 +1)"},
		{"7: (95) exit\nfrom 3 to 9: R0=1 R10=fp0\n9: R0=1\n9: (95) exit\nAt program exit the register R0 has value\n", "At program exit the register R0 has value", "9: (95) exit"},
	} {
		reason, at := (&VerifierError{Log: c.log}).Reason()
		if reason != c.reason || at != c.at {
			t.Errorf("log %q: reason %q at %q, want %q at %q", c.log, reason, at, c.reason, c.at)
		}
	}
}

// TestOffsetZero holds the facts that RunPacket builds on: where the packet of each type starts.
func TestOffsetZero(t *testing.T) {
	needKernel(t)
	packet := make([]byte, 64)
	for i := range packet {
		packet[i] = byte(i + 1)
	}
	code := []isa.Instruction{isa.Mov64Reg.Make(isa.R6, isa.R1, 0, 0), isa.LdAbs8.Make(0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}
	for ty, raw := range map[spec.ProgramType]uint32{spec.SocketFilter: 15, spec.SchedCLS: 1, spec.SchedACT: 1, spec.CGroupSKB: 0} {
		p, err := Load(&spec.Program{Name: "zero", Type: ty, License: "GPL", Insns: code}, nil, &Options{Log: true})
		if ty == spec.CGroupSKB {
			if err == nil {
				t.Error("cgroup_skb may load by absolute offset now: it belongs into this table")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if r, err := p.Run(packet, nil, 1); err != nil || r.Retval != raw {
			t.Errorf("%s: offset 0 of Run is byte %d, %v, want byte %d", ty, int(r.Retval)-1, err, raw-1)
		}
		r, err := p.RunPacket(packet, 1)
		if err != nil || r.Retval != 1 || len(r.Data) != len(packet) || r.Data[0] != 1 {
			t.Errorf("%s: offset 0 of RunPacket is byte %d, %d bytes come back, %v", ty, int(r.Retval)-1, len(r.Data), err)
		}
	}
	for _, n := range []int{0, 1, 13, 14, 15} {
		want := uint32(0)
		if n > 0 {
			want = 1
		}
		if got, err := RunSocketFilter(code, packet[:n]); err != nil || got != want {
			t.Errorf("packet of %d bytes: got %d, %v, want %d", n, got, err, want)
		}
	}
}

func TestTypes(t *testing.T) {
	needKernel(t)
	packet := make([]byte, 64)
	lookup := make([]byte, 72) // struct bpf_sk_lookup: family at 8, protocol at 12
	binary.NativeEndian.PutUint32(lookup[8:], unix.AF_INET)
	binary.NativeEndian.PutUint32(lookup[12:], unix.IPPROTO_TCP)
	for _, c := range []struct {
		p         spec.Program
		data, ctx []byte
	}{
		{p: spec.Program{Type: spec.SocketFilter}, data: packet},
		{p: spec.Program{Type: spec.SocketFilter}, data: packet, ctx: make([]byte, 64)},
		{p: spec.Program{Type: spec.SchedCLS}, data: packet},
		{p: spec.Program{Type: spec.SchedACT}, data: packet},
		{p: spec.Program{Type: spec.XDP}, data: packet},
		{p: spec.Program{Type: spec.CGroupSKB}, data: packet},
		{p: spec.Program{Type: spec.LWTIn}, data: packet},
		{p: spec.Program{Type: spec.LWTOut}, data: packet},
		{p: spec.Program{Type: spec.LWTXmit}, data: packet},
		{p: spec.Program{Type: spec.FlowDissector}, data: packet},
		{p: spec.Program{Type: spec.RawTracepoint}, ctx: make([]byte, 16)},
		{p: spec.Program{Type: spec.Syscall}, ctx: make([]byte, 16)},
		{p: spec.Program{Type: spec.SkLookup, AttachType: unix.BPF_SK_LOOKUP}, ctx: lookup},
	} {
		c.p.Name, c.p.License = "one", "GPL"
		c.p.Insns = []isa.Instruction{isa.Mov64Imm.Make(0, 0, 0, 1), isa.Exit.Make(0, 0, 0, 0)}
		p, err := Load(&c.p, nil, &Options{Log: true})
		if err != nil {
			t.Errorf("%s: %v", c.p.Type, err)
			continue
		}
		r, err := p.Run(c.data, c.ctx, 0)
		if err != nil || r.Retval != 1 || (len(c.ctx) > 0) != (len(r.Ctx) > 0) {
			t.Errorf("%s: got %+v, %v", c.p.Type, r, err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("%s: %v", c.p.Type, err)
		}
	}
	p, err := Load(&spec.Program{Name: "kprobe", Type: spec.Kprobe, License: "GPL",
		Insns: []isa.Instruction{isa.Mov64Imm.Make(0, 0, 0, 1), isa.Exit.Make(0, 0, 0, 0)}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Run(packet, nil, 1); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("test run of a kprobe: %v, want an error that wraps errors.ErrUnsupported", err)
	}
}

func TestRepeatAndSyscallContext(t *testing.T) {
	needKernel(t)
	// r0 = *(u64 *)(r1 + 0); r0 += 1; *(u64 *)(r1 + 0) = r0; exit
	add := []isa.Instruction{isa.Ldx64.Make(0, 1, 0, 0), isa.Add64Imm.Make(0, 0, 0, 1), isa.Stx64.Make(1, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}
	p, err := Load(&spec.Program{Name: "inc", Type: spec.Syscall, License: "GPL", Insns: add}, nil, &Options{Log: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := binary.NativeEndian.AppendUint64(nil, 41)
	r, err := p.Run(nil, ctx, 1)
	if err != nil || r.Retval != 42 || binary.NativeEndian.Uint64(r.Ctx) != 42 || binary.NativeEndian.Uint64(ctx) != 41 {
		t.Errorf("got %+v, %v; the context given is now %x", r, err, ctx)
	}
	if _, err := p.Run(nil, ctx, 2); err == nil {
		t.Error("a syscall program is repeated")
	}
	filter, err := Load(&spec.Program{Name: "f", Type: spec.SocketFilter, License: "GPL", Insns: []isa.Instruction{
		isa.Mov64Imm.Make(0, 0, 0, 7), isa.Exit.Make(0, 0, 0, 0)}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer filter.Close()
	if r, err := filter.Run(make([]byte, 64), nil, 100_000); err != nil || r.Retval != 7 || r.Duration <= 0 {
		t.Errorf("100,000 runs: %+v, %v", r, err)
	}
}

func TestLog(t *testing.T) {
	needKernel(t)
	// A log longer than the first buffer: every instruction is a line.
	code := make([]isa.Instruction, 0, 3000)
	for range 2998 {
		code = append(code, isa.Mov64Imm.Make(0, 0, 0, 1))
	}
	code = append(code, isa.Exit.Make(0, 0, 0, 0))
	p, err := Load(&spec.Program{Name: "long", Type: spec.SocketFilter, Insns: code}, nil, &Options{AlwaysLog: true, LogLevel: 2})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if len(p.Log()) <= firstLog || !strings.Contains(p.Log(), "\n2997: ") || !strings.Contains(p.Log(), "\n0: (b7) r0 = 1") {
		t.Errorf("the log has %d bytes and is not whole", len(p.Log()))
	}
	code[2997] = isa.Mov64Reg.Make(0, 5, 0, 0)
	_, err = Load(&spec.Program{Name: "long", Type: spec.SocketFilter, Insns: code}, nil, nil)
	if err == nil || strings.Contains(err.Error(), "R5") {
		t.Errorf("without a log: %v", err)
	}
	_, err = Load(&spec.Program{Name: "long", Type: spec.SocketFilter, Insns: code}, nil, &Options{Log: true})
	if err == nil || !strings.Contains(err.Error(), `R5 !read_ok (at "2997: (bf) r0 = r5")`) {
		t.Errorf("with a log: %v", err)
	}
}

func BenchmarkLoadFunc(b *testing.B) {
	needKernel(b)
	code := []isa.Instruction{isa.Mov64Imm.Make(0, 0, 0, 1), isa.Exit.Make(0, 0, 0, 0)}
	for b.Loop() {
		if _, _, err := RunFunc(code, nil); err != nil {
			b.Fatal(err)
		}
	}
}

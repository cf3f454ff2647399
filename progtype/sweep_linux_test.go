package progtype_test

import (
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"

	"golang.org/x/sys/unix"
)

var (
	loads  = map[int]isa.Op{1: isa.Ldx8, 2: isa.Ldx16, 4: isa.Ldx32, 8: isa.Ldx64}
	stores = map[int]isa.Op{1: isa.Stx8, 2: isa.Stx16, 4: isa.Stx32, 8: isa.Stx64}
	exit   = isa.Exit.Make(0, 0, 0, 0)
)

// notHere are types that the kernel loads only for something that it finds by BTF, or that it may not know.
var notHere = map[spec.ProgramType]bool{spec.Tracing: true, spec.StructOps: true, spec.Extension: true, spec.LSM: true, spec.LircMode2: true}

// variants calls f for each attach type that programs of each type may have; for types that do not look at them,
// for some.
func variants(f func(typ progtype.Type, at spec.AttachType)) {
	for n := spec.SocketFilter; n <= spec.Netfilter; n++ {
		typ := progtype.Find(n)
		for at := spec.AttachType(0); at < spec.AttachTypes && !notHere[n]; at++ {
			if typ.Attach != 0 && typ.Attach.Has(at) || typ.Attach == 0 && (at == 0 || at == spec.AttachXDPDevmap || at == spec.AttachXDP) {
				f(typ, at)
			}
		}
	}
}

// result returns a result that programs of the type may have.
func result(typ *progtype.Type, at spec.AttachType) isa.Instruction {
	r, _ := typ.Range(at)
	return isa.Mov64Imm.Make(0, 0, 0, r.Max)
}

// TestKernelAccess asks the kernel about every access to the context of every type, of every size, reading and writing.
func TestKernelAccess(t *testing.T) {
	a := newAsker(t)
	asked, wrong := 0, 0
	variants(func(typ progtype.Type, at spec.AttachType) {
		ret := result(&typ, at)
		if ok, why := a.load(typ.Type, at, 1, ret, exit); !ok {
			t.Errorf("%s, %s: the kernel does not load this type: %s", typ.Type, at, why)
			return
		}
		for off := range min(typ.Layout().Size, 256) + 16 {
			for _, size := range []int{1, 2, 4, 8} {
				f, _ := typ.Layout().Access(at, off, size, false)
				read, _ := a.load(typ.Type, at, 0, loads[size].Make(0, 1, int16(off), 0), ret, exit)
				w, _ := typ.Layout().Access(at, off, size, true)
				written, _ := a.load(typ.Type, at, 0, isa.Mov64Imm.Make(2, 0, 0, 0), stores[size].Make(1, 2, int16(off), 0), ret, exit)
				asked += 2
				if read != (f != nil) || written != (w != nil) {
					if wrong++; wrong < 50 {
						t.Errorf("%s, %s, %d bytes at %d: kernel reads %v, writes %v; table says %v, %v", typ.Type, at, size, off, read, written, f, w)
					}
				}
			}
		}
	})
	t.Logf("%d accesses asked about, %d answers differ", asked, wrong)
}

var r0State = regexp.MustCompile(`R0(?:_w)?=([a-z_0-9]+)`)

// TestKernelValues compares what reading a field yields with what the kernel's verifier says it is.
func TestKernelValues(t *testing.T) {
	a := newAsker(t)
	names := map[progtype.Value]string{progtype.Scalar: "scalar", progtype.PacketStart: "pkt", progtype.PacketEnd: "pkt_end",
		progtype.PacketMeta: "pkt_meta", progtype.Socket: "sock", progtype.SocketOrNull: "sock_or_null", progtype.SockCommon: "sock_common_or_null",
		progtype.FlowKeys: "flow_keys", progtype.Buffer: "tp_buffer"}
	asked := 0
	variants(func(typ progtype.Type, at spec.AttachType) {
		for _, f := range typ.Layout().Fields {
			for _, size := range []int{1, 2, 4, 8} {
				got, _ := typ.Layout().Access(at, f.Off, size, false)
				if got == nil {
					continue
				}
				ok, log := a.load(typ.Type, at, 2, loads[size].Make(0, 1, int16(f.Off), 0), result(&typ, at), exit)
				want := names[got.Value]
				if got.Value == progtype.Object {
					want = "trusted_ptr_" + got.Object
				}
				asked++
				if m := r0State.FindStringSubmatch(log); !ok || m == nil || m[1] != want {
					t.Errorf("%s, %s: %d bytes of %s: the kernel says %v %v, the table %q", typ.Type, at, size, f.Name, ok, m, want)
				}
			}
		}
	})
	t.Logf("%d values compared", asked)
}

// TestKernelReturns asks the kernel about results of each type.
func TestKernelReturns(t *testing.T) {
	a := newAsker(t)
	asked := 0
	variants(func(typ progtype.Type, at spec.AttachType) {
		for r0 := int32(-2); r0 < 10; r0++ {
			want := true
			if r, ok := typ.Range(at); ok {
				want = r0 >= r.Min && r0 <= r.Max
			}
			asked++
			if got, why := a.load(typ.Type, at, 1, isa.Mov64Imm.Make(0, 0, 0, r0), exit); got != want {
				t.Errorf("%s, %s: may return %d: kernel says %v, table %v: %s", typ.Type, at, r0, got, want, why)
			}
		}
	})
	t.Logf("%d results asked about", asked)
}

// TestKernelAttachTypes asks the kernel which attach types go with which type.
func TestKernelAttachTypes(t *testing.T) {
	a := newAsker(t)
	asked := 0
	for n := spec.SocketFilter; n <= spec.Netfilter; n++ {
		if notHere[n] {
			continue
		}
		typ := progtype.Find(n)
		for at := spec.AttachType(0); at < spec.AttachTypes; at++ {
			want := typ.Attach.Has(at)
			asked++
			if got, why := a.load(n, at, 1, result(&typ, at), exit); got != want {
				t.Errorf("%s, %s: kernel says %v, table %v: %s", n, at, got, want, why)
			}
		}
	}
	t.Logf("%d pairs asked about", asked)
}

// TestKernelPacket asks the kernel whether programs may change their packet through pointers, and load from it by
// ld_abs.
func TestKernelPacket(t *testing.T) {
	a := newAsker(t)
	variants(func(typ progtype.Type, at spec.AttachType) {
		ret := result(&typ, at)
		got, why := a.load(typ.Type, at, 1, isa.Mov64Reg.Make(isa.R6, isa.R1, 0, 0), isa.LdAbs8.Make(0, 0, 0, 0), ret, exit)
		if got != typ.LdAbs {
			t.Errorf("%s, %s: ld_abs: kernel %v, table %v: %s", typ.Type, at, got, typ.LdAbs, why)
		}
		var start, end *progtype.Field
		for i, f := range typ.Layout().Fields {
			if f.Read.Sizes != 0 && f.Value == progtype.PacketStart {
				start = &typ.Layout().Fields[i]
			}
			if f.Read.Sizes != 0 && f.Value == progtype.PacketEnd {
				end = &typ.Layout().Fields[i]
			}
		}
		if start == nil || end == nil {
			if typ.Rewrite {
				t.Errorf("%s: rewrites a packet that it does not see", typ.Type)
			}
			return
		}
		got, why = a.load(typ.Type, at, 1, loads[start.Size].Make(2, 1, int16(start.Off), 0), loads[end.Size].Make(3, 1, int16(end.Off), 0),
			isa.Mov64Reg.Make(4, 2, 0, 0), isa.Add64Imm.Make(4, 0, 0, 1), isa.JGt64Reg.Make(4, 3, 1, 0), isa.St8.Make(2, 0, 0, 1), ret, exit)
		if got != typ.Rewrite {
			t.Errorf("%s, %s: changing the packet: kernel %v, table %v: %s", typ.Type, at, got, typ.Rewrite, why)
		}
	})
}

// lacking are helpers that a kernel may be built or booted without.
var lacking = map[string]bool{"override_return": true, "probe_write_user": true}

// TestKernelHelpers asks the kernel which helpers programs of each type may call.
func TestKernelHelpers(t *testing.T) {
	a := newAsker(t)
	asked := 0
	for n := spec.SocketFilter; n <= spec.Netfilter; n++ {
		typ := progtype.Find(n)
		for at := spec.AttachType(0); at < spec.AttachTypes && !notHere[n]; at++ {
			if !typ.Attach.Has(at) || testing.Short() && typ.Attach == 0 && at > 2 {
				continue
			}
			for id := int32(1); ; id++ {
				name, ok := helper.Name(id)
				if !ok {
					break
				}
				_, want := typ.MayCall(name, at)
				asked++
				if got := a.mayCall(n, at, id, result(&typ, at)); got != want && !lacking[name] {
					t.Errorf("%s, %s: %s: kernel says %v, table %v", n, at, name, got, want)
				}
			}
		}
	}
	t.Logf("%d calls asked about", asked)
}

// mayCall reports whether the kernel lets programs call a helper, whatever it thinks of the arguments.
func (a *asker) mayCall(n spec.ProgramType, at spec.AttachType, id int32, ret isa.Instruction) bool {
	ok, log := a.load(n, at, 1, isa.Call.Make(0, 0, 0, id), ret, exit)
	return ok || !strings.Contains(log, "cannot use helper") && !strings.Contains(log, "unknown func") && !strings.Contains(log, "not supported for program type")
}

// TestKernelPrivileges asks the kernel what helpers that all types have take, with fewer rights.
func TestKernelPrivileges(t *testing.T) {
	a := newAsker(t)
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock, so that the thread ends with its rights
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		for _, c := range []int{unix.CAP_BPF, unix.CAP_NET_ADMIN} {
			caps[c/32].Effective |= 1 << (c % 32)
			caps[c/32].Permitted |= 1 << (c % 32)
		}
		if err := unix.Capset(&header, &caps[0]); err != nil {
			t.Log(err)
			return
		}
		for _, n := range []spec.ProgramType{spec.SocketFilter, spec.XDP, spec.SchedCLS, spec.CGroupSockAddr, spec.SkMsg} {
			typ := progtype.Find(n)
			at := spec.AttachType(0)
			for !typ.Attach.Has(at) {
				at++
			}
			for id := int32(1); ; id++ {
				name, ok := helper.Name(id)
				if !ok {
					break
				}
				need, want := typ.MayCall(name, at)
				want = want && need != progtype.CapPerfmon
				if got := a.mayCall(n, at, id, result(&typ, at)); got != want && !lacking[name] {
					t.Errorf("%s, %s without CAP_PERFMON: %s: kernel says %v, table %v", n, at, name, got, want)
				}
			}
		}
	}()
	<-done
}

// TestKernelSockets asks the kernel what programs may do with the structures that contexts and helpers lead to.
func TestKernelSockets(t *testing.T) {
	a := newAsker(t)
	asked := 0
	const skOff, fullsock, tcpSock = 168, 95, 96
	ret := isa.Mov64Imm.Make(0, 0, 0, 1)
	sk := []isa.Instruction{ret, loads[8].Make(6, 1, skOff, 0), isa.JNe64Imm.Make(6, 0, 1, 0), exit}
	via := func(id int32) []isa.Instruction {
		return append(sk[:len(sk):len(sk)], isa.Mov64Reg.Make(1, 6, 0, 0), isa.Call.Make(0, 0, 0, id), isa.Mov64Reg.Make(6, 0, 0, 0),
			ret, isa.JNe64Imm.Make(6, 0, 1, 0), exit)
	}
	keys := []isa.Instruction{ret, loads[8].Make(6, 1, 144, 0)}
	for _, c := range []struct {
		layout *progtype.Layout
		typ    spec.ProgramType
		code   []isa.Instruction
	}{{progtype.CommonSock, spec.CGroupSKB, sk}, {progtype.Sock, spec.CGroupSKB, via(fullsock)}, {progtype.TCPSock, spec.CGroupSKB, via(tcpSock)},
		{progtype.Keys, spec.FlowDissector, keys}} {
		for off := range c.layout.Size + 16 {
			for _, size := range []int{1, 2, 4, 8} {
				for write, access := range map[bool]isa.Instruction{false: loads[size].Make(0, 6, int16(off), 0), true: stores[size].Make(6, 0, int16(off), 0)} {
					f, _ := c.layout.Access(0, off, size, write)
					code := append(c.code[:len(c.code):len(c.code)], access, ret, exit)
					asked++
					if got, why := a.load(c.typ, 0, 1, code...); got != (f != nil) {
						t.Errorf("%s: %d bytes at %d, write %v: kernel says %v, table %v: %s", c.layout.Name, size, off, write, got, f, why)
					}
				}
			}
		}
	}
	t.Logf("%d accesses asked about", asked)
}

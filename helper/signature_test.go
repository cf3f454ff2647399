package helper_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// signatureTypes are program types that the kernel loads without anything to attach to, in the order they are tried.
var signatureTypes = []spec.ProgramType{spec.SchedCLS, spec.Kprobe, spec.PerfEvent, spec.Syscall, spec.CGroupDevice, spec.CGroupSysctl, spec.LircMode2, spec.XDP, spec.CGroupSKB, spec.CGroupSockopt,
	spec.LWTXmit, spec.LWTSeg6Local, spec.SkSKB, spec.SkMsg, spec.SockOps, spec.CGroupSockAddr, spec.SkReuseport, spec.SkLookup}

// signatureAttach is what programs of types that look at it are for.
var signatureAttach = map[spec.ProgramType]spec.AttachType{spec.CGroupSockAddr: spec.AttachCGroupInet4Connect, spec.SkLookup: spec.AttachSkLookup,
	spec.CGroupSockopt: spec.AttachCGroupSetsockopt}

// typeFor returns a type of program that may call a helper.
func typeFor(h *helper.Helper) (spec.ProgramType, bool) {
	if h.Name == "get_cgroup_classid" {
		return spec.Kprobe, true // others pass the packet
	}
	for _, typ := range signatureTypes {
		row := progtype.Find(typ)
		if _, ok := row.MayCall(h.Name, signatureAttach[typ]); ok && h.Sleeps == (typ == spec.Syscall) {
			return typ, true
		}
	}
	return 0, false
}

// signatureMaps are the maps that arguments refer to. mapFor says which a helper gets.
func signatureMaps() []spec.Map {
	return []spec.Map{
		{Name: "hash", Type: spec.Hash, KeySize: 4, ValueSize: 16, MaxEntries: 4},
		{Name: "percpu_array", Type: spec.PerCPUArray, KeySize: 4, ValueSize: 16, MaxEntries: 4},
		{Name: "queue", Type: spec.Queue, ValueSize: 16, MaxEntries: 4},
		{Name: "prog_array", Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 4},
		{Name: "perf_event_array", Type: spec.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 4},
		{Name: "ringbuf", Type: spec.RingBuf, MaxEntries: 4096},
		{Name: "user_ringbuf", Type: spec.UserRingBuf, MaxEntries: 4096},
		{Name: "stack_trace", Type: spec.StackTrace, KeySize: 4, ValueSize: 64, MaxEntries: 4},
		{Name: "cgroup_array", Type: spec.CGroupArray, KeySize: 4, ValueSize: 4, MaxEntries: 4},
		{Name: "devmap", Type: spec.Devmap, KeySize: 4, ValueSize: 4, MaxEntries: 4},
		{Name: "sockmap", Type: spec.Sockmap, KeySize: 4, ValueSize: 4, MaxEntries: 4},
		{Name: "sockhash", Type: spec.Sockhash, KeySize: 4, ValueSize: 4, MaxEntries: 4},
		{Name: "frozen", Type: spec.Array, KeySize: 4, ValueSize: 64, MaxEntries: 1, Flags: 1 << 7, Frozen: true}, // BPF_F_RDONLY_PROG
	}
}

func mapFor(h *helper.Helper) (string, bool) {
	if h.Maps == nil {
		return "hash", true
	}
	for _, m := range signatureMaps() {
		for _, t := range h.Maps {
			if m.Type == t {
				return m.Name, true
			}
		}
	}
	return "", false
}

// valid returns text that puts a good value into the register of an argument, from what prelude has made ready.
func valid(h *helper.Helper, i int) (string, bool) {
	a := h.Args[i]
	r := fmt.Sprintf("r%d", i+1)
	stack := func(off int) (string, bool) { return fmt.Sprintf("%s = r10\n%s += %d\n", r, r, off), true }
	switch a.Kind() {
	case helper.Any:
		return r + " = 0\n", true
	case helper.Context:
		return r + " = r6\n", true
	case helper.Mem, helper.MemOut, helper.MapKey, helper.MapValue, helper.MapValueOut, helper.StackMem:
		if h.Name == "dynptr_from_mem" {
			return r + " = r9\n", true
		}
		if a.FixedSize() == 8 {
			return stack(-64)
		}
		return stack(-48)
	case helper.Size, helper.SizeOr0, helper.RecordSize:
		return r + " = 16\n", true
	case helper.MapRef:
		m, ok := mapFor(h)
		return fmt.Sprintf("%s = map[%s]\n", r, m), ok
	case helper.ConstString:
		return r + " = map[frozen][0]+0\n", true
	case helper.DynptrRef:
		if a.Has(helper.Fresh) {
			return stack(-96)
		}
		return stack(-80)
	case helper.SockCommon:
		return r + " = r7\n", !a.Has(helper.Releases)
	case helper.Object:
		return r + " = r7\n", h.Objects[i] == "task_struct"
	}
	return "", false
}

// prelude makes ready what arguments need: the context in R6, a task in R7, zeros on the stack, a dynptr at -80. What
// was in R1 to R5 cannot be read afterwards.
func prelude(h *helper.Helper) string {
	text := "r6 = r1\nr1 = 0\n"
	for off := -8; off >= -64; off -= 8 {
		text += fmt.Sprintf("*(u64 *)(r10 %d) = r1\n", off)
	}
	for i, a := range h.Args {
		switch {
		case a.Kind() == helper.SockCommon:
			typ, _ := typeFor(h)
			off := 168 // of sk in struct __sk_buff
			if typ == spec.CGroupSockopt {
				off = 0
			}
			text += fmt.Sprintf("r7 = *(u64 *)(r6 + %d)\nif r7 == 0 goto out\n", off)
		case a.Kind() == helper.Object && h.Objects[i] == "task_struct":
			text += "call get_current_task_btf\nr7 = r0\n"
		case a.Kind() == helper.DynptrRef && a.Has(helper.RingBuf) && !a.Has(helper.Fresh):
			text += "r1 = map[ringbuf]\nr2 = 8\nr3 = 0\nr4 = r10\nr4 += -80\ncall ringbuf_reserve_dynptr\n"
		case a.Kind() == helper.DynptrRef && !a.Has(helper.Fresh), a.Kind() == helper.MemOut && h.Name == "dynptr_from_mem":
			text += "r1 = map[hash]\nr2 = r10\nr2 += -8\ncall map_lookup_elem\nif r0 == 0 goto out\nr9 = r0\n" +
				"r1 = r9\nr2 = 16\nr3 = 0\nr4 = r10\nr4 += -80\ncall dynptr_from_mem\n"
		}
	}
	return text + "call get_prandom_u32\n"
}

// program writes a program that calls h. odd replaces the text for one argument.
func program(h *helper.Helper, odd int, text string) (string, bool) {
	s := prelude(h)
	for i := range h.Args {
		v, ok := valid(h, i)
		if !ok {
			return "", false
		}
		if i == odd {
			v = strings.ReplaceAll(text, "R", fmt.Sprintf("r%d", i+1))
		}
		s += v
	}
	s += "call " + h.Name + "\n"
	if h.Result.Has(helper.Acquires) {
		release := "ringbuf_discard"
		if k := h.Result.Kind(); k == helper.ResultSocket || k == helper.ResultCommon {
			release = "sk_release"
		}
		s += "if r0 == 0 goto out\nr1 = r0\nr2 = 0\ncall " + release + "\n"
	}
	for _, a := range h.Args {
		if a.Kind() == helper.DynptrRef && a.Has(helper.RingBuf) && a.Has(helper.Fresh) {
			s += "r1 = r10\nr1 += -96\nr2 = 0\ncall ringbuf_discard_dynptr\n"
		}
	}
	return s + "out:\nr0 = 0\nexit\n", true
}

// verdict loads a program and returns the kernel's complaint, "" for none.
func verdict(t *testing.T, typ spec.ProgramType, license, text string) string {
	t.Helper()
	p, err := asm.Assemble("signature", text, &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	p.Name, p.Type, p.AttachType, p.License = "signature", typ, uint32(signatureAttach[typ]), license
	prog, err := kernel.Load(p, signatureMaps(), &kernel.Options{HelperID: helper.ID, Log: true})
	if err == nil {
		prog.Close()
		return ""
	}
	var refused *kernel.VerifierError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if reason, _ := refused.Reason(); reason != "" {
		return reason
	}
	return err.Error()
}

// TestSignatures has the kernel judge calls: with arguments as the table says, with one that is not, with one missing,
// and without a license. So the table says what the kernel wants.
func TestSignatures(t *testing.T) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	tried := 0
	for _, h := range helper.Table() {
		if h.Kfunc || h.ID >= 0x10000 {
			continue
		}
		typ, ok := typeFor(&h)
		h.Args = h.ArgsIn(typ)
		text, can := program(&h, -1, "")
		if !ok || !can {
			t.Logf("%s is not tried", h.Name)
			continue
		}
		tried++
		t.Run(h.Name, func(t *testing.T) { trySignature(t, &h, typ, text) })
	}
	t.Logf("%d helpers tried", tried)
}

func trySignature(t *testing.T, h *helper.Helper, typ spec.ProgramType, text string) {
	why := verdict(t, typ, "GPL", text)
	if strings.Contains(why, "cannot use helper") || strings.Contains(why, "unknown func") || strings.Contains(why, "invalid argument") {
		t.Skip("this kernel has not got it: ", why)
	}
	if why != "" {
		t.Fatalf("with good arguments: %s\n%s", why, text)
	}
	if why := verdict(t, typ, "none", text); (why != "") != h.GPL && !strings.Contains(text, "get_current_task_btf") {
		t.Errorf("GPL is %v, and without the license: %s", h.GPL, why)
	}
	for i, a := range h.Args {
		reg := fmt.Sprintf("R%d", i+1)
		missing, _ := program(h, i, "")
		if why := verdict(t, typ, "GPL", missing); why == "" {
			t.Errorf("argument %d is not one: the call is accepted without it", i+1)
		}
		null, _ := program(h, i, "R = 0\n")
		why := verdict(t, typ, "GPL", null)
		switch a.Kind() {
		case helper.Any, helper.SizeOr0, helper.RecordSize:
			if why != "" {
				t.Errorf("argument %d is %v, and 0 is refused: %s", i+1, a, why)
			}
			continue
		case helper.Size:
			if why == "" {
				t.Errorf("argument %d is %v, and 0 is accepted", i+1, a)
			}
			continue
		}
		nextIsZero := i+1 < len(h.Args) && h.Args[i+1].Kind() == helper.SizeOr0
		if ok := why == ""; ok != a.Has(helper.OrNull) && !(nextIsZero && a.Has(helper.OrNull)) {
			t.Errorf("argument %d is %v, and 0 gives: %q", i+1, a, why)
		}
		number, _ := program(h, i, "R = 7\n")
		if why := verdict(t, typ, "GPL", number); !strings.Contains(why, reg) && !strings.Contains(why, fmt.Sprint("arg#", i)) && !strings.Contains(why, "expected") {
			t.Errorf("argument %d is %v, and 7 gives: %q", i+1, a, why)
		}
	}
	if len(h.Args) == 0 {
		return
	}
	tryWrites(t, h, typ)
}

// tryWrites finds out which memory may be unwritten, and which may be read-only.
func tryWrites(t *testing.T, h *helper.Helper, typ spec.ProgramType) {
	for i, a := range h.Args {
		switch a.Kind() {
		case helper.Mem, helper.MemOut, helper.MapKey, helper.MapValue, helper.MapValueOut:
		default:
			continue
		}
		if typ == spec.SchedCLS {
			text, _ := program(h, i, "R = r8\n")
			text = strings.Replace(text, "r6 = r1\n", "r6 = r1\nr8 = *(u32 *)(r6 + 76)\nr2 = *(u32 *)(r6 + 80)\nr1 = r8\nr1 += 64\nif r1 > r2 goto out\n", 1)
			if why := verdict(t, typ, "GPL", text); (why == "") != h.PacketMemory {
				t.Errorf("argument %d is %v, and memory of the packet gives: %q", i+1, a, why)
			}
		}
		text, _ := program(h, i, "R = map[frozen][0]+0\n")
		why := verdict(t, typ, "GPL", text)
		writes := a.Kind() == helper.MemOut || a.Kind() == helper.MapValueOut
		if a.Has(helper.Writes) {
			continue // the kernel of today lets some be read-only that the helper writes
		}
		if (why != "") != writes {
			t.Errorf("argument %d is %v, and read-only memory gives: %q", i+1, a, why)
		}
	}
}

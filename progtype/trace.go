// Implements the contexts of tracing programs: registers, records and arguments.

package progtype

import "runtime"

// Registers of the machines whose kprobes programs are made for (struct pt_regs of arch/x86 and user_pt_regs of
// arch/arm64, with which the kernel's own structure begins).
const (
	regsAMD64 = "r15 r14 r13 r12 bp bx r11 r10 r9 r8 ax cx dx si di orig_ax ip cs flags sp ss"
	regsARM64 = "x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11 x12 x13 x14 x15 x16 x17 x18 x19 x20 x21 x22 x23 x24 x25 x26 x27 x28 x29 x30 " +
		"sp pc pstate"
	kernelARM64 = " orig_x0 syscallno pmr stackframe_0 stackframe_1 lockdep_hardirqs_exit_rcu"
)

// Regs returns the registers that a kprobe's or uprobe's program is given, on a processor as Go names it (amd64,
// arm64; others have the registers of amd64). Every byte can be read.
func Regs(arch string) *Layout {
	if arch == "arm64" {
		return registers("pt_regs", regsARM64+kernelARM64, bytes)
	}
	return registers("pt_regs", regsAMD64, bytes)
}

// PerfEvent returns struct bpf_perf_event_data on a processor as Go names it.
func PerfEvent(arch string) *Layout {
	regs := regsAMD64
	if arch == "arm64" {
		regs = regsARM64
	}
	l := registers("bpf_perf_event_data", regs+" sample_period addr", whole8)
	for i := len(l.Fields) - 2; i < len(l.Fields); i++ {
		l.Fields[i].Read = bytes
	}
	return l
}

// The limits of contexts without a structure of their own.
const (
	maxRecord    = 8192      // of a tracepoint (PERF_MAX_TRACE_SIZE)
	maxArguments = 12 * 8    // of a function (MAX_BPF_FUNC_ARGS)
	maxSyscall   = 1<<16 - 1 // of a syscall program
)

var (
	kprobeRegs = Regs(runtime.GOARCH)
	perfEvent  = PerfEvent(runtime.GOARCH)

	// tracepoint is a record of a tracepoint, whose first eight bytes programs do not see.
	tracepoint = &Layout{Name: "record", Size: maxRecord, Fields: []Field{
		{Name: "common", Off: 0, Size: 8}, {Name: "fields", Off: 8, Size: maxRecord - 8, Read: bytes}}}

	rawTracepoint = &Layout{Name: "bpf_raw_tracepoint_args", Size: maxArguments, Fields: []Field{
		{Name: "args", Off: 0, Size: maxArguments, Read: bytes}}}

	rawWritable = &Layout{Name: "bpf_raw_tracepoint_args", Size: maxArguments, Fields: []Field{
		{Name: "args", Off: 0, Size: 8, Read: whole8, Value: Buffer},
		{Name: "args", Off: 1, Size: maxArguments - 1, Read: bytes}}} // parts of the pointer too, but its first

	// arguments are those of a function, each in eight bytes.
	arguments = &Layout{Name: "arguments", Size: maxArguments, Fields: []Field{
		{Name: "args", Off: 0, Size: maxArguments, Read: bytes, Value: BTFArgument}}}

	syscallMemory = &Layout{Name: "memory", Size: maxSyscall, Fields: []Field{
		{Name: "memory", Off: 0, Size: maxSyscall, Read: bytes, Write: bytes}}}

	netfilter = &Layout{Name: "bpf_nf_ctx", Size: 16, Fields: []Field{
		{Name: "state", Off: 0, Size: 8, Read: whole8, Value: Object, Object: "nf_hook_state"},
		{Name: "skb", Off: 8, Size: 8, Read: whole8, Value: Object, Object: "sk_buff"}}}

	// lircMode2 is one sample of an infrared receiver.
	lircMode2 = &Layout{Name: "sample", Size: 4, Fields: []Field{{Name: "sample", Off: 0, Size: 4, Read: whole4}}}
)

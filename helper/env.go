// Implements the world outside that helpers ask about.

package helper

import (
	"io"
	"math/rand/v2"
	"runtime"
	"time"
)

// Env is the world outside that helpers ask about. A test that fixes it gets the same run every time. The zero
// value stands for the real thing: this process, its clock, the runtime's random numbers. What a process has no
// way to know (kernel memory, stacks, signals) is empty, and helpers give the errors that the kernel gives then.
// An Env must not change while programs run, and its functions must be safe for concurrent use if runs are.
type Env struct {
	Now    func() uint64 // nanoseconds of a clock that never goes back; nil: Clock or, without one, since the process started
	Random func() uint32 // nil: the runtime's generator
	CPU    func() uint32 // processor the program runs on; nil: the one that the run has been given, see Run.CPU

	// Clock, if not nil, is a clock that only moves when it is told to. Timers and work queues of programs run
	// when it is advanced. Without it they run in real time.
	Clock *Clock
	// Boot is how much further CLOCK_BOOTTIME is than the clock: how long the machine has slept. TAI is the same
	// for CLOCK_TAI; 0 with the real clock means the time of day.
	Boot, TAI time.Duration
	HZ        uint32 // jiffies in a second; 0 means 250

	NUMANode uint32 // the processor's memory node
	CPUs     uint32 // how many processors there are; 0: those of this machine
	// PerCPU returns where a processor has its copy of a kernel variable at an address. Nil: all have the same.
	PerCPU func(addr uint64, cpu uint32) uint64

	Task  *Task   // the current task; nil: this process
	Tasks []*Task // the others, for programs that look for tasks or go through them

	// Trace receives what programs print with bpf_trace_printk, bpf_trace_vprintk and bpf_stream_vprintk, a Write
	// for each message, with a newline at the end. Seq receives the output of bpf_seq_printf and bpf_seq_write as it is;
	// its errors make them give -EOVERFLOW. Nil: nowhere.
	Trace, Seq io.Writer

	// User and Kernel are the memory that probe_read helpers and their relatives find, by address. Kernel memory is
	// also what the program itself could read. Whatever is not there gives -EFAULT.
	User, Kernel []Region

	Symbols []Symbol // kernel symbols, for bpf_kallsyms_lookup_name, %ps and %pB
	Probe   *Probe   // what the program is attached to

	// Signal receives the signals that programs send. Its error number, 0 or more, is what the helper fails with.
	// Nil: they are accepted and go nowhere.
	Signal func(Signal) (errno int)
	// Counter reads a performance counter, by the number of the processor; ok is false where there is none. Nil: there are none.
	Counter func(cpu uint32) (c Counter, ok bool)
	// Path returns the path that a struct path at an address stands for, for bpf_d_path. Nil: the root, "/".
	Path func(addr uint64) string
	// TypeID returns the BTF number of a kernel type by name and kind, for bpf_btf_find_by_name_kind; ok is false if there is none.
	TypeID func(name string, kind uint32) (id uint32, ok bool)
	// FormatType prints data of a BTF type, for bpf_snprintf_btf and bpf_seq_printf_btf; its error number fails them. Nil: -EOPNOTSUPP.
	FormatType func(typeID uint32, data []byte, flags uint64) (text string, errno int)
	// Remote receives what infrared decoders (lirc_mode2 programs) decode.
	Remote func(RemoteEvent)
	// Network is the network around: interfaces, routes, neighbours, sockets. Nil: that of a new network namespace.
	Network *Network

	Sysctl *Sysctl // the parameter that a cgroup_sysctl program is asked about
	Retval *int32  // what bpf_get_retval returns and bpf_set_retval sets; used atomically. Nil: each run has its own, 0 at first

	// Failed receives the errors of functions that run after their program, such as timers'. Nil: they are dropped.
	Failed func(error)
}

// Region is memory at an address that programs can be given.
type Region struct {
	Addr     uint64
	Data     []byte
	ReadOnly bool
}

// Symbol is a named place in the kernel.
type Symbol struct {
	Name   string
	Addr   uint64
	Size   uint64 // bytes; 0: up to the next symbol
	Module string // "" for the kernel itself
}

// Probe is what a tracing program is attached to.
type Probe struct {
	IP       uint64 // address of the traced function, for bpf_get_func_ip
	Cookie   uint64 // for bpf_get_attach_cookie
	NumArgs  int    // arguments of the function that an fentry or fexit program is at; 0: as many as fit the context
	Exit     bool   // it is an fexit program: the context ends with the function's result
	Override func(result uint64)
	// Session tells about programs that run at entry and return (kprobe.session): whether it is the return.
	Return bool
}

// Signal is a signal that a program has sent.
type Signal struct {
	Number uint32
	Thread bool // to the thread alone, not to the whole process
	Task   *Task
	Value  uint64 // sent along by bpf_send_signal_task
}

// Counter is the state of a performance counter (struct bpf_perf_event_value).
type Counter struct{ Value, Enabled, Running uint64 }

// RemoteEvent is a key press that an infrared decoder has reported, a repetition, or a pointer's movement.
type RemoteEvent struct {
	Kind     RemoteKind
	Protocol uint32 // enum rc_proto
	Scancode uint64
	Toggle   uint32
	DX, DY   int32
}

// RemoteKind says what a RemoteEvent is.
type RemoteKind uint8

// The kinds, by the helpers that report them.
const (
	RemoteKey     RemoteKind = iota // bpf_rc_keydown
	RemoteRepeat                    // bpf_rc_repeat
	RemotePointer                   // bpf_rc_pointer_rel
)

// Sysctl is a kernel parameter that is read or about to be written.
type Sysctl struct {
	Name    string // with slashes, such as "net/ipv4/tcp_mem"
	Current string
	New     string            // what is written
	Write   bool              // it is written
	Set     func(text string) // receives what the program writes instead
}

var processStart = time.Now()

// now returns the time of the monotonic clock, nanoseconds.
func (e *Env) now() uint64 {
	switch {
	case e == nil:
	case e.Now != nil:
		return e.Now()
	case e.Clock != nil:
		return e.Clock.Now()
	}
	return uint64(time.Since(processStart))
}

// fixed reports whether the clock is not the real one.
func (e *Env) fixed() bool { return e != nil && (e.Now != nil || e.Clock != nil) }

// tai returns the time of CLOCK_TAI.
func (e *Env) tai() uint64 {
	switch {
	case e.fixed():
		return e.now() + uint64(e.TAI)
	case e == nil:
		return uint64(time.Now().UnixNano())
	}
	return uint64(time.Now().Add(e.TAI).UnixNano())
}

// defaultHZ is the ticks a second of most distributions' kernels.
const defaultHZ = 250

// jiffies returns the count of ticks. The kernel starts it five minutes before the low half overflows.
func (e *Env) jiffies() uint64 {
	hz := uint64(defaultHZ)
	if e != nil && e.HZ != 0 {
		hz = uint64(e.HZ)
	}
	now := e.now()
	ticks := now/1e9*hz + now%1e9*hz/1e9
	return uint64(uint32(-300*int64(hz))) + ticks
}

// cpus returns how many processors there are.
func (e *Env) cpus() uint32 {
	if e != nil && e.CPUs != 0 {
		return e.CPUs
	}
	return uint32(runtime.NumCPU())
}

func (e *Env) random() uint32 {
	if e != nil && e.Random != nil {
		return e.Random()
	}
	return rand.Uint32()
}

// cpu returns the processor that the program runs on.
func (c *Call) cpu() uint32 {
	switch {
	case c.Env != nil && c.Env.CPU != nil:
		return c.Env.CPU()
	case c.Run != nil:
		return uint32(c.Run.CPU())
	}
	return 0
}

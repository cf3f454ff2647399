// Implements reading the filters of a live process, by ptrace(2).

package seccomp

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const ptraceSeccompGetFilter = 0x420c

// Dump returns the filters of a thread, by its number, in the order in which they were loaded. It takes CAP_SYS_ADMIN in the first user
// namespace, the right to trace the process, and a kernel with CONFIG_CHECKPOINT_RESTORE; the caller must have no
// filter itself. The thread stops for a moment. One without filters has none: that is no error.
func Dump(pid int) ([]*Filter, error) {
	type result struct {
		filters []*Filter
		err     error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // the tracer is a thread, which ends with this
		f, err := dump(pid)
		done <- result{f, err}
	}()
	out := <-done
	return out.filters, out.err
}

func dump(pid int) (filters []*Filter, err error) {
	if err := unix.PtraceSeize(pid); err != nil {
		return nil, fmt.Errorf("tracing process %d: %w", pid, err)
	}
	if err := unix.PtraceInterrupt(pid); err != nil {
		return nil, fmt.Errorf("stopping process %d: %w", pid, err)
	}
	var status unix.WaitStatus
	if _, err := wait(pid, &status); err != nil {
		return nil, fmt.Errorf("stopping process %d: %w", pid, err)
	}
	if status.Exited() || status.Signaled() {
		return nil, fmt.Errorf("process %d has ended", pid)
	}
	defer func() {
		signal := 0
		if s := status.StopSignal(); s != unix.SIGTRAP && status.TrapCause() < 0 {
			signal = int(s) // it stopped for a signal of its own, which it must still get
		}
		_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_DETACH, uintptr(pid), 0, uintptr(signal), 0, 0)
		if errno != 0 && err == nil {
			err = fmt.Errorf("letting process %d go: %w", pid, errno)
		}
	}()
	for i := 0; ; i++ {
		f, err := dumpOne(pid, i)
		if f == nil || err != nil {
			return filters, err
		}
		filters = append(filters, f)
	}
}

// dumpOne returns a filter by its place, or nil if there are no more.
func dumpOne(pid, i int) (*Filter, error) {
	get := func(to unsafe.Pointer) (int, error) {
		n, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceSeccompGetFilter, uintptr(pid), uintptr(i), uintptr(to), 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.ENOENT: // no more
			return 0, nil
		case unix.EINVAL: // none at all
			if i == 0 {
				return 0, nil
			}
		case unix.EACCES:
			return 0, fmt.Errorf("reading the filters of process %d: %w: it takes CAP_SYS_ADMIN, and the reader must have no filter", pid, errno)
		case unix.EIO:
			return 0, fmt.Errorf("reading the filters of process %d: %w: the kernel was built without CONFIG_CHECKPOINT_RESTORE", pid, ErrNotSupported)
		case unix.EMEDIUMTYPE:
			return 0, fmt.Errorf("reading the filters of process %d: %w: the filter is no classic program", pid, errno)
		}
		return 0, fmt.Errorf("reading the filters of process %d: %w", pid, errno)
	}
	n, err := get(nil)
	if n == 0 || err != nil {
		return nil, err
	}
	raw := make([]unix.SockFilter, n)
	if _, err := get(unsafe.Pointer(&raw[0])); err != nil {
		return nil, err
	}
	code := make([]bpf.RawInstruction, n)
	for j, in := range raw {
		code[j] = bpf.RawInstruction{Op: in.Code, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return NewFilter(code)
}

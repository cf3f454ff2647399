// Implements the recording of system calls, by ptrace(2).

package seccomp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	ptraceGetSyscallInfo = 0x420e
	traceOptions         = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK |
		unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
)

// syscallInfo is the start of struct ptrace_syscall_info, with the part that an entry has.
type syscallInfo struct {
	op    uint8 // 1: entry
	_     [3]uint8
	arch  uint32
	ip    uint64
	sp    uint64
	nr    uint64
	args  [6]uint64
	extra [3]uint64 // room for what newer kernels add
}

// Record runs a command, argv[0] being its file, and records the system calls of it and of all processes and threads
// that it starts, until the command has ended; those that live longer are killed. opts may be nil. A command that ends
// badly is no error.
func Record(argv []string, opts *RecordOptions) (*Recording, error) {
	if opts == nil {
		opts = &RecordOptions{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	}
	if len(argv) == 0 {
		return nil, errors.New("there is no command")
	}
	type result struct {
		r   *Recording
		err error
	}
	done := make(chan result)
	go func() { // all calls of ptrace must come from one thread, which ends with this
		runtime.LockOSThread()
		r, err := record(argv, opts)
		done <- result{r, err}
	}()
	out := <-done
	return out.r, out.err
}

// recorder follows processes.
type recorder struct {
	main    int
	counts  map[[2]uint32]uint64
	tracees map[int]bool
	fresh   map[int]bool // have not stopped yet
	result  Recording
}

func record(argv []string, opts *RecordOptions) (*Recording, error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = opts.Env, opts.Dir, opts.Stdin, opts.Stdout, opts.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &recorder{main: cmd.Process.Pid, counts: map[[2]uint32]uint64{}, tracees: map[int]bool{}, fresh: map[int]bool{}}
	if err := r.begin(); err != nil {
		return nil, errors.Join(err, cmd.Process.Kill())
	}
	err := r.follow()
	if err == nil && (opts.Stdin != nil || opts.Stdout != nil || opts.Stderr != nil) {
		if waitErr := cmd.Wait(); waitErr != nil && !errors.Is(waitErr, unix.ECHILD) { // it has been waited for; this ends the copying
			var exit *exec.ExitError
			if !errors.As(waitErr, &exit) {
				err = waitErr
			}
		}
	}
	if err != nil {
		return nil, err
	}
	for key, n := range r.counts {
		arch := ArchOf(key[0], key[1])
		r.result.Counts = append(r.result.Counts, Count{arch, key[0], key[1], arch.Name(key[1]), n})
	}
	r.result.sort()
	return &r.result, nil
}

// begin waits for the command to stop at its start. The call that executed it went before.
func (r *recorder) begin() error {
	var status unix.WaitStatus
	if _, err := wait(r.main, &status); err != nil {
		return fmt.Errorf("waiting for the command: %w", err)
	}
	if err := unix.PtraceSetOptions(r.main, traceOptions); err != nil {
		return fmt.Errorf("ptrace(PTRACE_SETOPTIONS): %w", err)
	}
	r.tracees[r.main] = true
	r.result.Processes = 1
	if a := Native(); a != NoArch {
		if n, ok := a.Number("execve"); ok {
			r.counts[[2]uint32{a.Audit(), n}]++
		}
	}
	return unix.PtraceSyscall(r.main, 0)
}

// wait is wait4(2) for this thread's tracees alone; -1 stands for any.
func wait(pid int, status *unix.WaitStatus) (int, error) {
	for {
		got, err := unix.Wait4(pid, status, unix.WALL|unix.WNOTHREAD, nil)
		if err != unix.EINTR {
			return got, err
		}
	}
}

// follow goes from stop to stop until the command has ended.
func (r *recorder) follow() error {
	for {
		var status unix.WaitStatus
		pid, err := wait(-1, &status)
		if err != nil {
			return fmt.Errorf("waiting for the command: %w", err)
		}
		if !r.tracees[pid] { // a new one, which may stop before its parent does
			r.tracees[pid], r.fresh[pid] = true, true
			r.result.Processes++
		}
		switch {
		case status.Exited() || status.Signaled():
			delete(r.tracees, pid)
			if pid == r.main {
				r.result.ExitCode = status.ExitStatus()
				if status.Signaled() {
					r.result.ExitCode = 128 + int(status.Signal())
				}
				r.killRest()
				return nil
			}
		case status.Stopped():
			if err := r.stopped(pid, status); err != nil && err != unix.ESRCH { // it may have been killed meanwhile
				return err
			}
		}
	}
}

// killRest kills what the command has left running.
func (r *recorder) killRest() {
	for pid := range r.tracees {
		if unix.Kill(pid, unix.SIGKILL) != nil {
			continue
		}
		for {
			var status unix.WaitStatus
			if _, err := wait(pid, &status); err != nil || status.Exited() || status.Signaled() {
				break
			}
		}
	}
}

// stopped counts the call that a process has stopped for, if that is why, and lets it go on.
func (r *recorder) stopped(pid int, status unix.WaitStatus) error {
	signal := status.StopSignal()
	switch {
	case signal == unix.SIGTRAP|0x80: // a call begins or ends
		var info syscallInfo
		_, _, errno := unix.Syscall6(unix.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(pid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
		if errno == unix.EIO {
			return fmt.Errorf("%w: recording needs Linux 5.3", ErrNotSupported)
		}
		if errno != 0 {
			return errno
		}
		if info.op == 1 {
			r.counts[[2]uint32{info.arch, uint32(info.nr)}]++
		}
		signal = 0
	case status.TrapCause() > 0: // fork, clone, exec
		signal = 0
	case signal == unix.SIGSTOP && r.fresh[pid]: // that with which every new one begins
		signal = 0
	}
	delete(r.fresh, pid)
	return unix.PtraceSyscall(pid, int(signal))
}

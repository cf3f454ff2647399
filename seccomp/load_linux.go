// Implements loading filters, by prctl(2) and seccomp(2).

package seccomp

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Operations of seccomp(2).
const (
	setModeFilter  = 1
	getActionAvail = 2
	getNotifSizes  = 3
)

// program is struct sock_fprog with what it points to.
type program struct {
	fprog unix.SockFprog
	code  []unix.SockFilter
}

func (f *Filter) program() *program {
	p := &program{code: make([]unix.SockFilter, len(f.code))}
	for i, in := range f.code {
		p.code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	p.fprog = unix.SockFprog{Len: uint16(len(p.code)), Filter: &p.code[0]}
	return p
}

// Load makes the kernel apply the filter from now on, for good: to all threads of the process, those of Go's runtime
// and of C libraries included, and to all programs that it executes. It sets no_new_privs first, without which that
// takes privileges. Filters add up: the strictest answer counts.
//
// It fails with a *SyncError if a thread has a filter that the caller has not, and with ErrNotSupported on other
// systems. Load does not ask whether the process can live with the filter.
func (f *Filter) Load(opts *LoadOptions) error {
	_, err := f.install(opts, 0)
	return err
}

// LoadListener is Load for a filter with the action Notify, which the Listener then answers. The calling thread must
// not wait for answers itself: its Listener is usually handed to another process (Listener.File).
func (f *Filter) LoadListener(opts *LoadOptions) (*Listener, error) {
	fd, err := f.install(opts, FlagNewListener)
	if err != nil {
		return nil, err
	}
	return NewListener(os.NewFile(fd, "seccomp listener"))
}

func (f *Filter) install(opts *LoadOptions, flags Flags) (uintptr, error) {
	if opts == nil {
		opts = &LoadOptions{}
	}
	flags |= f.flags &^ (FlagSync | FlagNewListener | flagSyncESRCH)
	if !opts.ThisThread {
		flags |= FlagSync
		if flags&FlagNewListener != 0 {
			flags |= flagSyncESRCH // the result is a file descriptor then, and cannot be a thread
		}
	}
	p := f.program()
	runtime.LockOSThread() // no_new_privs is the thread's; the kernel hands it on with the filter
	defer runtime.UnlockOSThread()
	if !opts.KeepPrivileges {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return 0, fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
		}
	}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, uintptr(flags), uintptr(unsafe.Pointer(&p.fprog)))
	runtime.KeepAlive(p)
	switch {
	case errno == unix.ENOSYS:
		return 0, fmt.Errorf("%w: %w", ErrNotSupported, errno)
	case errno == unix.ESRCH:
		return 0, errors.New("another thread has a seccomp filter of its own; no filter can be loaded for all threads")
	case errno == unix.EACCES:
		return 0, fmt.Errorf("seccomp: %w: without no_new_privs it takes CAP_SYS_ADMIN", errno)
	case errno == unix.EINVAL:
		return 0, fmt.Errorf("seccomp: %w: the kernel does not know a flag (%#x), or refuses the filter", errno, uint32(flags))
	case errno == unix.EBUSY:
		return 0, fmt.Errorf("seccomp: %w: there is a listener already", errno)
	case errno != 0:
		return 0, fmt.Errorf("seccomp: %w", errno)
	case flags&FlagSync != 0 && flags&FlagNewListener == 0 && r != 0:
		return 0, &SyncError{int(r)}
	}
	return r, nil
}

// Exec loads the filter and executes a program in the place of this one, as execve(2) does: path is a file, args
// begins with the program's name, env is the environment. The filter must allow execve. Nothing of Go's runtime runs
// between the two, and all its other threads end before they could meet the filter. Exec only returns with an error;
// if it comes after the filter was loaded, the calling thread has the filter. The filter's flags count, but a
// listener cannot be made.
func (f *Filter) Exec(path string, args, env []string) error {
	file, err := unix.BytePtrFromString(path)
	if err != nil {
		return fmt.Errorf("%q: %w", path, err)
	}
	argv, err := pointers(args)
	if err != nil {
		return err
	}
	envp, err := pointers(env)
	if err != nil {
		return err
	}
	p := f.program()
	flags := f.flags &^ (FlagSync | FlagNewListener | flagSyncESRCH)
	runtime.LockOSThread() // for good: the thread has the filter now
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl(PR_SET_NO_NEW_PRIVS): %w", err)
	}
	runtime.Gosched() // a fresh time slice: no signal to give way comes soon
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, setModeFilter, uintptr(flags), uintptr(unsafe.Pointer(&p.fprog)))
	if errno != 0 {
		runtime.KeepAlive(p)
		return fmt.Errorf("seccomp: %w", errno)
	}
	_, _, errno = unix.RawSyscall(unix.SYS_EXECVE, uintptr(unsafe.Pointer(file)), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&envp[0])))
	return &ExecError{errno}
}

// pointers returns strings as execve takes them.
func pointers(list []string) ([]*byte, error) {
	out := make([]*byte, len(list)+1)
	for i, s := range list {
		p, err := unix.BytePtrFromString(s)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
		out[i] = p
	}
	return out, nil
}

// Available reports what is missing for filters with an action to be loaded: nil, or ErrNotSupported.
func Available(a Action) error {
	kind := uint32(a.Kind())
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, getActionAvail, 0, uintptr(unsafe.Pointer(&kind)))
	if errno != 0 {
		return fmt.Errorf("%w: action %s: %w", ErrNotSupported, a, errno)
	}
	return nil
}

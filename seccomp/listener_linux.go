// Implements the listener: whoever answers the calls for which a filter says Notify (seccomp_unotify(2)).

package seccomp

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Listener receives calls for which a filter says Notify, and answers them. Its methods may be called at the same
// time from many goroutines.
type Listener struct {
	file *os.File
	// sizes of the kernel's structures: it may have newer ones than these
	notif, resp int
}

// Notification is a call that waits for an answer.
type Notification struct {
	ID      uint64
	Process int // of the thread that called, in the listener's PID namespace; 0 if it is not there
	Data    Data
}

// Response is an answer to a call. The zero value lets it return 0.
type Response struct {
	Value    int64 // result
	Errno    uint16
	Continue bool // the kernel makes the call after all. By then its memory may have changed: this is no check
}

// rawNotif is struct seccomp_notif, and rawResp struct seccomp_notif_resp.
type rawNotif struct {
	id    uint64
	pid   uint32
	flags uint32
	data  struct {
		nr, arch uint32
		ip       uint64
		args     [6]uint64
	}
}

type rawResp struct {
	id    uint64
	val   int64
	error int32
	flags uint32
}

// rawAddFD is struct seccomp_notif_addfd.
type rawAddFD struct {
	id                                uint64
	flags, srcfd, newfd, newfdOptions uint32
}

// ioctl numbers of linux/seccomp.h: _IOWR('!', 0, struct seccomp_notif) and so on.
var (
	notifRecv    = ioctlNumber(3, 0, unsafe.Sizeof(rawNotif{}))
	notifSend    = ioctlNumber(3, 1, unsafe.Sizeof(rawResp{}))
	notifIDValid = ioctlNumber(1, 2, 8)
	notifAddFD   = ioctlNumber(1, 3, unsafe.Sizeof(rawAddFD{}))
)

// ErrGone says that the call does not wait any more: its thread was killed, or interrupted by a signal.
var ErrGone = errors.New("the call does not wait any more")

// NewListener makes a Listener of a file that LoadListener's result was sent as, or that another program got by
// SECCOMP_FILTER_FLAG_NEW_LISTENER. The Listener owns the file.
func NewListener(f *os.File) (*Listener, error) {
	var sizes struct{ notif, resp, data uint16 }
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, getNotifSizes, 0, uintptr(unsafe.Pointer(&sizes)))
	if errno != 0 {
		return nil, fmt.Errorf("%w: notifications: %w", ErrNotSupported, errno)
	}
	l := &Listener{file: f, notif: int(sizes.notif), resp: int(sizes.resp)}
	if l.notif < int(unsafe.Sizeof(rawNotif{})) || l.resp < int(unsafe.Sizeof(rawResp{})) {
		return nil, fmt.Errorf("%w: notifications are shorter than those of Linux 5.0", ErrNotSupported)
	}
	return l, nil
}

// File returns the listener's file, to send it to another process.
func (l *Listener) File() *os.File { return l.file }

// Close stops listening: calls that wait, and those to come, fail with ENOSYS.
func (l *Listener) Close() error { return l.file.Close() }

// ioctl calls ioctl(2) on the listener, again if a signal interrupts it.
func (l *Listener) ioctl(request uintptr, arg unsafe.Pointer) (uintptr, error) {
	for {
		r, _, errno := unix.Syscall(unix.SYS_IOCTL, l.file.Fd(), request, uintptr(arg))
		switch errno {
		case 0:
			return r, nil
		case unix.EINTR:
		case unix.ENOENT:
			return 0, ErrGone
		default:
			return 0, errno
		}
	}
}

// Receive waits for the next call. It fails with ErrGone when one has come and gone at once, after which there may be
// others, and with os.ErrClosed when no process has the filter any more.
func (l *Listener) Receive() (*Notification, error) {
	for {
		p := []unix.PollFd{{Fd: int32(l.file.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(p, -1)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case p[0].Revents&unix.POLLIN == 0:
			return nil, os.ErrClosed // the last process with the filter has ended
		}
		break
	}
	buf := make([]uint64, (l.notif+7)/8)
	n := (*rawNotif)(unsafe.Pointer(&buf[0]))
	if _, err := l.ioctl(notifRecv, unsafe.Pointer(n)); err != nil {
		return nil, err
	}
	return &Notification{ID: n.id, Process: int(n.pid), Data: Data{Nr: n.data.nr, Arch: n.data.arch, IP: n.data.ip, Args: n.data.args}}, nil
}

// Respond answers a call. It fails with ErrGone if nobody waits for it.
func (l *Listener) Respond(id uint64, r Response) error {
	buf := make([]uint64, (l.resp+7)/8)
	out := (*rawResp)(unsafe.Pointer(&buf[0]))
	*out = rawResp{id: id, val: r.Value, error: -int32(r.Errno)}
	if r.Errno != 0 {
		out.val = 0
	}
	if r.Continue {
		*out = rawResp{id: id, flags: 1}
	}
	_, err := l.ioctl(notifSend, unsafe.Pointer(out))
	return err
}

// Valid reports whether a call still waits. What was read of the caller by its process number since Receive, such as
// its memory, is the caller's only if this is true afterwards.
func (l *Listener) Valid(id uint64) bool {
	_, err := l.ioctl(notifIDValid, unsafe.Pointer(&id))
	return err == nil
}

// AddFile gives the calling process a file, and returns the descriptor that it has there. With send the call also
// returns that descriptor, as if Respond were called.
func (l *Listener) AddFile(id uint64, f *os.File, closeOnExec, send bool) (int, error) {
	add := rawAddFD{id: id, srcfd: uint32(f.Fd())}
	if closeOnExec {
		add.newfdOptions = unix.O_CLOEXEC
	}
	if send {
		add.flags = 2
	}
	r, err := l.ioctl(notifAddFD, unsafe.Pointer(&add))
	return int(r), err
}

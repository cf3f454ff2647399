package execmem

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refuse runs f on a thread where the system refuses, with EACCES, a system call whose argument number arg
// is value, as hardened hosts do.
func refuse(t *testing.T, call, arg, value int, f func()) {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err := refuseOnThread(uint32(call), uint32(arg), uint32(value))
		if err == nil {
			f()
		}
		result <- err
	}()
	switch err := <-result; {
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		t.Skip("no seccomp here: ", err)
	case err != nil:
		t.Fatal(err)
	}
}

func refuseOnThread(call, arg, value uint32) error {
	low := uint32(0) // of a struct seccomp_data's 64-bit arguments
	if one := uint16(1); *(*byte)(unsafe.Pointer(&one)) == 0 {
		low = 4
	}
	load := func(off uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
	}
	unless := func(k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: skip, K: k}
	}
	ret := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	prog := []unix.SockFilter{
		load(0), unless(call, 3),
		load(16 + 8*arg + low), unless(value, 1), ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EACCES)),
		ret(unix.SECCOMP_RET_ALLOW),
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&fprog)), 0, 0)
}

func TestNewRefused(t *testing.T) {
	tests := []struct {
		name string
		prot int
		want string
	}{
		{"write", unix.PROT_READ | unix.PROT_WRITE, "memory for code cannot be made writable: permission denied"},
		{"execute", unix.PROT_READ | unix.PROT_EXEC, "memory for code cannot be made executable: permission denied"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, size := anonCode(t)
			refused := func() {
				for range 3 {
					c, err := New([]byte{1}, nil)
					if c != nil || !errors.Is(err, unix.EACCES) || err.Error() != test.want {
						t.Errorf("New gives code: %v, error %v; expected %s", c != nil, err, test.want)
					}
				}
			}
			refuse(t, unix.SYS_MPROTECT, 2, test.prot, refused)
			wantArenas(t, 0)
			stay := mustNew(t, []byte{1})
			refuse(t, unix.SYS_MPROTECT, 2, test.prot, refused)
			c := mustNew(t, []byte{3})
			if c.Addr() != stay.Addr()+uintptr(pageSize) {
				t.Errorf("code at %#x, expected the free page after %#x", c.Addr(), stay.Addr())
			}
			mustClose(t, c, stay)
			wantArenas(t, 0)
			if _, now := anonCode(t); now != size {
				t.Errorf("%d bytes of code are left", now-size)
			}
		})
	}
}

// TestCloseRefused: what the system does not take back is used again.
func TestCloseRefused(t *testing.T) {
	tests := []struct {
		name             string
		call, arg, value int
		alone            bool
		want             string
	}{
		{"protect", unix.SYS_MPROTECT, 2, unix.PROT_NONE, false, "memory for code cannot be made inaccessible: permission denied"},
		{"unmap", unix.SYS_MUNMAP, 1, arenaSize, true, "memory for code cannot be unmapped: permission denied"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := mustNew(t, []byte{1})
			var stay *Code
			if !test.alone {
				stay = mustNew(t, []byte{2})
			}
			refuse(t, test.call, test.arg, test.value, func() {
				if err := c.Close(); !errors.Is(err, unix.EACCES) || err.Error() != test.want {
					t.Errorf("Close = %v, expected %s", err, test.want)
				}
			})
			wantArenas(t, 1)
			again := mustNew(t, []byte{3})
			if again.Addr() != c.Addr() {
				t.Errorf("code at %#x, expected the free page at %#x", again.Addr(), c.Addr())
			}
			mustClose(t, again)
			if stay != nil {
				mustClose(t, stay)
			}
			wantArenas(t, 0)
		})
	}
}

// Implements the system call: the argument structures of the commands in use, and the call itself.

package kernel

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The structures below are members of the kernel's union bpf_attr, as its UAPI header linux/bpf.h lays them
// out. Addresses are 64 bits wide on every machine.

type progLoadAttr struct {
	progType, insnCount uint32
	insns, license      uint64
	logLevel, logSize   uint32
	logBuf              uint64
	_                   uint32 // kern_version
	flags               uint32
	name                [unix.BPF_OBJ_NAME_LEN]byte
	_                   uint32 // prog_ifindex
	expectedAttachType  uint32
	btfFD, funcInfoSize uint32
	funcInfo            uint64
	funcInfoCount       uint32
	_                   [4]uint32 // lines
	attachBTF           uint32
	_                   [7]uint32 // attach program, CO-RE relocations, fd_array
	logTrueSize         uint32
}

type mapCreateAttr struct {
	mapType, keySize, valueSize, maxEntries uint32
	flags, innerFD                          uint32
	_                                       uint32 // numa_node
	name                                    [unix.BPF_OBJ_NAME_LEN]byte
	_                                       uint32 // network interface
	btfFD, btfKey, btfValue                 uint32
}

type mapElemAttr struct {
	mapFD, _   uint32
	key, value uint64
	_          uint64 // flags
}

type mapFreezeAttr struct{ mapFD uint32 }

type testRunAttr struct {
	progFD, retval, dataSizeIn, dataSizeOut uint32
	dataIn, dataOut                         uint64
	repeat, duration, ctxSizeIn, ctxSizeOut uint32
	ctxIn, ctxOut                           uint64
}

// maxTries bounds how often a call that a signal interrupted is made again.
const maxTries = 100

// bpf makes the system call and returns its result. The verifier gives up with EAGAIN and a test run with
// EINTR when a signal is pending, and the Go runtime sends itself signals: those calls are repeated.
func bpf[T any](cmd uintptr, attr *T) (int, error) {
	for try := 0; ; try++ {
		r, _, errno := unix.Syscall(unix.SYS_BPF, cmd, uintptr(unsafe.Pointer(attr)), unsafe.Sizeof(*attr))
		switch {
		case errno == 0:
			return int(r), nil
		case try < maxTries && (errno == unix.EINTR || errno == unix.EAGAIN):
			continue
		}
		return -1, errno
	}
}

// pins holds memory that the kernel is given the address of in its place until the call is over.
type pins struct{ runtime.Pinner }

// addr returns the address of b for the kernel, 0 for an empty slice.
func (p *pins) addr(b []byte) uint64 {
	if len(b) == 0 {
		return 0
	}
	p.Pin(&b[0])
	return uint64(uintptr(unsafe.Pointer(&b[0])))
}

// objectName turns a name into what the kernel takes: 15 bytes of letters, digits, '_' and '.'.
func objectName(name string) (out [unix.BPF_OBJ_NAME_LEN]byte) {
	for i := 0; i < len(name) && i < len(out)-1; i++ {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.':
		default:
			c = '_'
		}
		out[i] = c
	}
	return out
}

// fd is a file descriptor of a BPF object.
type fd int

func (f fd) close() error {
	if err := unix.Close(int(f)); err != nil {
		return os.NewSyscallError("close", err)
	}
	return nil
}

// isDenied reports whether the kernel refused for lack of rights or of the system call itself.
func isDenied(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS)
}

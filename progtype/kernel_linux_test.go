// Implements loading tiny programs into the running kernel, to ask what it allows.

package progtype_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"

	"golang.org/x/sys/unix"
)

// asker loads programs for their verdict alone. It is for one goroutine.
type asker struct {
	log  [1 << 16]byte
	code []byte
	pin  runtime.Pinner
	attr loadAttr

	License   string
	BTFID     uint32 // what a program of a type that needs it is attached to
	Sleepable bool
}

// loadAttr is what BPF_PROG_LOAD takes (linux/bpf.h).
type loadAttr struct {
	progType, insnCount uint32
	insns, license      uint64
	logLevel, logSize   uint32
	logBuf              uint64
	_                   uint32
	flags               uint32
	_                   [16]byte
	_                   uint32
	attachType          uint32
	_                   [9]uint32 // BTF of the program
	attachBTFID         uint32
	_                   [8]uint32
}

func newAsker(t testing.TB) *asker {
	t.Helper()
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	a := &asker{License: "GPL"}
	a.pin.Pin(&a.log[0])
	t.Cleanup(a.pin.Unpin)
	return a
}

// load loads a program and says whether the kernel took it, and if level is not 0 what its log says.
func (a *asker) load(typ spec.ProgramType, attach spec.AttachType, level uint32, code ...isa.Instruction) (bool, string) {
	a.code = a.code[:0]
	for _, in := range code {
		a.code = in.Append(a.code, binary.NativeEndian)
	}
	license := append([]byte(a.License), 0)
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&a.code[0])
	pin.Pin(&license[0])
	a.attr = loadAttr{progType: uint32(typ), insnCount: uint32(len(code)), attachType: uint32(attach), attachBTFID: a.BTFID,
		insns: uint64(uintptr(unsafe.Pointer(&a.code[0]))), license: uint64(uintptr(unsafe.Pointer(&license[0])))}
	if typ == spec.Syscall || a.Sleepable {
		a.attr.flags |= unix.BPF_F_SLEEPABLE
	}
	if level != 0 {
		a.log[0] = 0
		a.attr.logLevel, a.attr.logSize, a.attr.logBuf = level, uint32(len(a.log)), uint64(uintptr(unsafe.Pointer(&a.log[0])))
	}
	for {
		fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&a.attr)), unsafe.Sizeof(a.attr))
		if errors.Is(errno, unix.EAGAIN) || errors.Is(errno, unix.EINTR) {
			continue
		}
		log := ""
		if level != 0 {
			n := max(0, bytes.IndexByte(a.log[:], 0))
			log = strings.TrimSpace(string(a.log[:n]))
		}
		if errno != 0 {
			if log == "" {
				log = errno.Error()
			}
			return false, log
		}
		unix.Close(int(fd))
		return true, log
	}
}

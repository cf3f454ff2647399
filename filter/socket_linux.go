// Implements filters at work in the kernel: attached to a socket, as classic code or as internal BPF.

package filter

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
)

// Attach has the Linux kernel run the filter on what a socket receives from now on, in place of the filter that the
// socket may have (SO_ATTACH_FILTER). What is queued already stays. It needs no special rights.
//
// A packet begins where the kind of socket says: at the UDP header for UDP, at the link layer header for packet sockets of
// type SOCK_RAW. What is longer than the filter's verdict is cut. On systems other than Linux the error wraps
// errors.ErrUnsupported.
func (f *Filter) Attach(c syscall.RawConn) error {
	code := make([]unix.SockFilter, len(f.raw))
	for i, in := range f.raw {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	fprog := &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	err := control(c, "SO_ATTACH_FILTER", func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, fprog)
	})
	if errors.Is(err, unix.ENOMEM) {
		return fmt.Errorf("the filter of %d instructions is larger than the sysctl net.core.optmem_max allows: %w", len(code), err)
	}
	return err
}

// AttachEBPF is Attach with the filter's translation to internal BPF (SO_ATTACH_BPF), which the kernel verifies
// like every such program. It needs CAP_BPF, or to be root, unless the system lets everybody load programs. Filters that read
// poff, nla, nlan or hatype cannot be attached this way, only by Attach: internal BPF has nothing for those.
func (f *Filter) AttachEBPF(c syscall.RawConn) error {
	code := f.code.Insns
	for i := 0; i < len(code); i += isa.Linux.Slots(code[i].Code) {
		row, err := isa.Linux.Lookup(code, i)
		if err != nil {
			return err
		}
		if id := code[i].Imm; row.Op == isa.Call && id >= helper.ClassicPayOffset {
			return fmt.Errorf("the filter cannot be attached as internal BPF: it reads %s, which only "+
				"classic filters can (instruction %d of the translation calls helper %#x): %w",
				metadataOf(id), i, id, errors.ErrUnsupported)
		}
	}
	named := *f.code
	named.Name = "skep_filter" // for those who list the kernel's programs
	p, err := kernel.Load(&named, nil, &kernel.Options{Log: true})
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("this process may not load the filter as internal BPF: it needs CAP_BPF, or to be root: %w", err)
	} else if err != nil {
		return err
	}
	err = control(c, "SO_ATTACH_BPF", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, p.FD())
	})
	return errors.Join(err, p.Close()) // the socket holds the program now
}

// Detach takes away the filter of a socket, whoever has attached it and in whichever way.
func (f *Filter) Detach(c syscall.RawConn) error {
	return control(c, "SO_DETACH_FILTER", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	})
}

// control sets a socket option and names it in the error.
func control(c syscall.RawConn, option string, set func(fd int) error) error {
	var err error
	if failed := c.Control(func(fd uintptr) { err = set(int(fd)) }); failed != nil {
		return failed
	}
	return os.NewSyscallError("setsockopt "+option, err)
}

// metadataOf returns what a helper of Skep's own reads, as bpf_asm spells it.
func metadataOf(id int32) string {
	for _, m := range classic.AllMetadata() {
		if m.Helper == id && m.Name != "" {
			return m.Name
		}
	}
	return "metadata"
}

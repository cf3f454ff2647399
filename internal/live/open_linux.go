// Implements opening: the socket, its filter, its ring, and last of all the binding that lets packets in.

package live

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"os"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/classic"
)

// device is an interface as a capture sees it.
type device struct {
	name     string
	index    int // 0 stands for all
	loopback bool
	link     uint16
}

// LinkTypeOf returns the link type that a capture on an interface has, to compile a filter for. It needs no
// special rights. Interfaces whose hardware type has no link type here are refused.
func LinkTypeOf(ifname string, opts Options) (uint16, error) {
	d, err := lookup(ifname, opts)
	return d.link, err
}

func lookup(ifname string, opts Options) (device, error) {
	d := device{name: ifname}
	if ifname == Any {
		d.link = opts.cooked()
		return d, nil
	}
	iface, err := net.InterfaceByName(ifname)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) {
			err = op.Err // without the names that package net has for what it did
		}
		return d, fmt.Errorf("interface %q: %w", ifname, err)
	}
	d.index, d.loopback = iface.Index, iface.Flags&net.FlagLoopback != 0
	hardware, err := hardwareType(ifname)
	if err != nil {
		return d, fmt.Errorf("hardware type of interface %q: %w", ifname, err)
	}
	switch hardware {
	case unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK: // Linux's loopback has Ethernet headers, with addresses of 0
		d.link = LinkTypeEthernet
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP:
		d.link = LinkTypeRaw
	default:
		return d, fmt.Errorf("interface %q has hardware type %d, expected Ethernet (%d), "+
			"loopback (%d) or none (%d, %d); %q captures its packets with a cooked header: %w",
			ifname, hardware, unix.ARPHRD_ETHER, unix.ARPHRD_LOOPBACK, unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, Any, errors.ErrUnsupported)
	}
	return d, nil
}

// hardwareType returns the ARPHRD_ value of an interface.
func hardwareType(ifname string) (uint16, error) {
	ifr, err := unix.NewIfreq(ifname)
	if err != nil {
		return 0, err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	}
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, ifr); err != nil {
		return 0, os.NewSyscallError("ioctl SIOCGIFHWADDR", err)
	}
	return ifr.Uint16(), nil
}

// Open begins to capture on an interface, or on all with Any. It needs CAP_NET_RAW in the network namespace of the calling
// thread. No packet is captured that the filter has not seen.
func Open(ifname string, opts Options) (*Capture, error) {
	opts, err := opts.check()
	if err != nil {
		return nil, err
	}
	d, err := lookup(ifname, opts)
	if err != nil {
		return nil, err
	}
	c := &Capture{dev: d, snap: opts.SnapLen, header: headerLen(d.link)}
	if opts.Filter != nil {
		if c.late, err = classic.NewVM(opts.Filter); err != nil {
			return nil, fmt.Errorf("capture filter: %w", err)
		}
	}
	prog, whole, err := forKernel(opts.Filter, d.link, opts.SnapLen)
	if err != nil {
		return nil, err
	}
	if whole {
		c.late = nil
	}
	kind := unix.SOCK_RAW
	if c.header > 0 {
		kind = unix.SOCK_DGRAM // packets come without their link layer header
	}
	// Protocol 0: the socket receives nothing until it is bound to another one.
	fd, err := unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("capturing on %q is not permitted: it needs CAP_NET_RAW, or to be root: %w", ifname, err)
	case err != nil:
		return nil, fmt.Errorf("capturing on %q: %w", ifname, os.NewSyscallError("socket AF_PACKET", err))
	}
	if err := c.setUp(fd, prog, opts); err != nil {
		if c.ring != nil {
			unix.Munmap(c.ring)
		}
		unix.Close(fd)
		return nil, fmt.Errorf("capturing on %q: %w", ifname, err)
	}
	c.file = os.NewFile(uintptr(fd), "packet socket on "+ifname)
	if c.conn, err = c.file.SyscallConn(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// setUp makes a fresh socket ready and then lets packets in.
func (c *Capture) setUp(fd int, prog []bpf.RawInstruction, opts Options) error {
	if err := attach(fd, prog); err != nil {
		return err
	}
	for _, o := range []struct {
		name          string
		option, value int
	}{
		{"PACKET_VERSION", unix.PACKET_VERSION, unix.TPACKET_V3},
		{"PACKET_RESERVE", unix.PACKET_RESERVE, reserve},
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, o.option, o.value); err != nil {
			return os.NewSyscallError("setsockopt "+o.name, err)
		}
	}
	if c.dev.loopback {
		// Kernels before 4.20 cannot; then these packets are left out when the ring is read.
		_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	}
	if err := c.mapRing(fd, opts); err != nil {
		return err
	}
	if c.dev.index == 0 {
		if lo, err := net.InterfaceByIndex(1); err == nil && lo.Flags&net.FlagLoopback != 0 {
			c.loopback = lo.Index // of every network namespace
		}
	} else if c.dev.loopback {
		c.loopback = c.dev.index
	}
	address := &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: c.dev.index}
	if err := unix.Bind(fd, address); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if err := socketError(fd); errors.Is(err, unix.ENETDOWN) {
		return fmt.Errorf("the interface is not up: %w", err)
	} else if err != nil {
		return err
	}
	if opts.Promiscuous && c.dev.index != 0 {
		m := &unix.PacketMreq{Ifindex: int32(c.dev.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, m); err != nil {
			return os.NewSyscallError("setsockopt PACKET_ADD_MEMBERSHIP", err)
		}
	}
	return nil
}

// attach gives the socket its filter.
func attach(fd int, prog []bpf.RawInstruction) error {
	code := make([]unix.SockFilter, len(prog))
	for i, in := range prog {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
	if errors.Is(err, unix.ENOMEM) {
		return fmt.Errorf("the filter of %d instructions is larger than the sysctl net.core.optmem_max allows: %w", len(prog), err)
	}
	return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err)
}

// mapRing makes the ring and maps it. A block holds at least one packet of the greatest length.
func (c *Capture) mapRing(fd int, opts Options) error {
	keep := opts.SnapLen
	if c.late != nil {
		keep = MaxSnapLen
	}
	most := blockHeader + packetArea + alignment + reserve + keep
	c.block = max(1<<bits.Len(uint(most-1)), minBlock)
	count := max((opts.Buffer+c.block-1)/c.block, 2)
	req := &unix.TpacketReq3{
		Block_size:     uint32(c.block),
		Block_nr:       uint32(count),
		Frame_size:     uint32(c.block), // packets are packed, whatever this says
		Frame_nr:       uint32(count),
		Retire_blk_tov: latency,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, req); err != nil {
		return fmt.Errorf("a ring of %d bytes: %w", c.block*count, os.NewSyscallError("setsockopt PACKET_RX_RING", err))
	}
	ring, err := unix.Mmap(fd, 0, c.block*count, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("a ring of %d bytes: %w", c.block*count, os.NewSyscallError("mmap", err))
	}
	c.ring = ring
	return nil
}

// socketError returns and clears the error that waits at a socket.
func socketError(fd int) error {
	n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return os.NewSyscallError("getsockopt SO_ERROR", err)
	}
	if n != 0 {
		return unix.Errno(n)
	}
	return nil
}

// networkOrder returns a number whose bytes in memory are those of v in network order.
func networkOrder(v uint16) uint16 {
	b := [2]byte{byte(v >> 8), byte(v)}
	return *(*uint16)(unsafe.Pointer(&b))
}

// Implements networks for the tests: namespaces of their own, and the sockets and interfaces in them.

package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/pcap"
)

// ownNetwork moves the test into a new network namespace, with loopback up, for its whole life: the thread that it
// is locked to dies with it.
func ownNetwork(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		t.Skip("no network namespace: ", err)
	}
	setFlags(t, "lo", unix.IFF_UP)
}

// setFlags sets the flags of an interface.
func setFlags(t *testing.T, name string, flags uint16) {
	t.Helper()
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr.SetUint16(flags)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatal(err)
	}
}

// veth makes two Ethernet interfaces that are wired to each other, v0 and v1.
func veth(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip(err)
	}
	ip(t, "link", "add", "v0", "type", "veth", "peer", "name", "v1")
	for _, name := range []string{"v0", "v1"} {
		_ = exec.Command("ip", "link", "set", name, "addrgenmode", "none").Run() // IPv6, where it exists, is to be silent
		ip(t, "link", "set", name, "up")
	}
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
	return string(out)
}

func mustOpen(t *testing.T, ifname string, opts Options) *Capture {
	t.Helper()
	c, err := Open(ifname, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); c.Release() })
	return c
}

// compile compiles an expression for a capture.
func compile(t *testing.T, expr, ifname string, opts Options) []bpf.RawInstruction {
	t.Helper()
	link, err := LinkTypeOf(ifname, opts)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pcap.Compile(expr, &pcap.Options{LinkType: pcap.LinkType(link), Source: pcap.SourceSocket})
	if err != nil {
		t.Fatal(err)
	}
	return p.Raw()
}

// captured is a packet and its Info, copied.
type captured struct {
	data []byte
	Info
}

// collect returns the next packets, at least n of them, and what comes within a moment after them.
func collect(t *testing.T, c *Capture, n int) (out []captured) {
	t.Helper()
	wait := 3 * time.Second
	for {
		if len(out) >= n {
			wait = 60 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(context.Background(), wait)
		packets, infos, err := c.Next(ctx)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(packets) == 0 || len(packets) != len(infos) {
			t.Fatalf("%d packets and %d infos", len(packets), len(infos))
		}
		for i, p := range packets {
			out = append(out, captured{slices.Clone(p), infos[i]})
		}
	}
}

// wire is an ordinary packet socket on an interface: what others see of the same packets.
type wire struct {
	fd, index int
}

func openWire(t *testing.T, ifname string) wire {
	t.Helper()
	iface, err := net.InterfaceByName(ifname)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL})
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: iface.Index}); err != nil {
		t.Fatal(err)
	}
	return wire{fd, iface.Index}
}

func (w wire) send(t *testing.T, frame []byte) {
	t.Helper()
	if err := unix.Sendto(w.fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: w.index}); err != nil {
		t.Fatal(err)
	}
}

// read returns the frames that have come in, without those that have gone out.
func (w wire) read(t *testing.T) (frames [][]byte) {
	t.Helper()
	buf := make([]byte, 1<<17)
	for {
		n, from, err := unix.Recvfrom(w.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		if from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_OUTGOING {
			frames = append(frames, slices.Clone(buf[:n]))
		}
	}
}

// sender sends UDP packets over loopback.
type sender struct{ conn *net.UDPConn }

func newSender(t *testing.T) sender {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return sender{conn}
}

// port returns a port that takes what is sent to it; others answer by ICMP.
func (s sender) port() int { return s.conn.LocalAddr().(*net.UDPAddr).Port }

func (s sender) send(t *testing.T, port int, payload []byte) {
	t.Helper()
	if _, err := s.conn.WriteToUDP(payload, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}); err != nil {
		t.Fatal(err)
	}
}

// frame returns an Ethernet frame with some tags and an EtherType for experiments.
func frame(n int, tags ...[]byte) []byte {
	f := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	for _, tag := range tags {
		f = append(f, tag...)
	}
	f = append(f, 0x88, 0xb5)
	return append(f, bytes.Repeat([]byte{byte(n)}, 46+n)...)
}

// openTun makes an interface without link layer headers, t0, and returns what is written to for packets to come in.
func openTun(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("no tun device: ", err)
	}
	f := os.NewFile(uintptr(fd), "tun")
	t.Cleanup(func() { f.Close() })
	ifr, err := unix.NewIfreq("t0")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); err != nil {
		t.Skip("no tun device: ", fmt.Errorf("TUNSETIFF: %w", err))
	}
	return f
}

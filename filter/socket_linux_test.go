// Implements the tests of filters on sockets, in a network namespace of their own.

package filter_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/internal/kernel"
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
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatal(err)
	}
}

// needsFilters skips where the system lacks options of sockets that Linux has, as emulators do.
func needsFilters(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); errors.Is(err, unix.ENOPROTOOPT) {
		t.Skip(err)
	}
}

// udpPair returns a listening UDP socket and one that sends to it.
func udpPair(t *testing.T) (in, out *net.UDPConn) {
	t.Helper()
	in, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	out, err = net.DialUDP("udp4", nil, in.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	return in, out
}

func rawConn(t *testing.T, c syscall.Conn) syscall.RawConn {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// exchange sends messages and returns those that arrive. On loopback they have arrived when sending returns.
func exchange(t *testing.T, in, out *net.UDPConn, messages []string) (got []string) {
	t.Helper()
	for _, m := range messages {
		if _, err := out.Write([]byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	in.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	buf := make([]byte, 2048)
	for {
		n, err := in.Read(buf)
		if err != nil {
			return got
		}
		got = append(got, string(buf[:n]))
	}
}

func assemble(t *testing.T, text string) []bpf.RawInstruction {
	t.Helper()
	prog, err := classic.Parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// attachments are the two ways, which must agree.
var attachments = map[string]func(*filter.Filter, syscall.RawConn) error{
	"classic": (*filter.Filter).Attach,
	"eBPF":    (*filter.Filter).AttachEBPF,
}

func TestAttachUDP(t *testing.T) {
	needsFilters(t)
	ownNetwork(t)
	var messages []string
	for i := range 64 {
		messages = append(messages, fmt.Sprintf("%c%02d %s", 'a'+i%3, i, strings.Repeat("x", i)))
	}
	keep := func(ok func(string) bool) (out []string) {
		for _, m := range messages {
			if ok(m) {
				out = append(out, m)
			}
		}
		return out
	}
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"first byte", "ldb [8]\n jne #98, drop\n ret #-1\n drop: ret #0", keep(func(m string) bool { return m[0] == 'b' })},
		{"length", "ld len\n jge #40, drop\n ret #-1\n drop: ret #0", keep(func(m string) bool { return len(m) < 32 })},
		{"scratch memory, X and division", "ldb [10]\n sub #48\n st M[3]\n ldx M[3]\n ld #6\n mod x\n jeq #0, keep\n ret #0\n keep: ret #-1",
			keep(func(m string) bool { return m[2] != '0' && 6%(m[2]-'0') == 0 })},
		{"cut", "ldb [8]\n jne #99, drop\n ret #10\n drop: ret #0", func() (out []string) {
			for _, m := range keep(func(m string) bool { return m[0] == 'c' }) {
				out = append(out, m[:2])
			}
			return out
		}()},
		{"metadata", "ld type\n jne #0, drop\n ld ifidx\n jne #1, drop\n ld proto\n jne #0x800, drop\n ld rand\n ld cpu\n ret #-1\n drop: ret #0", messages},
		{"nothing", "ret #0", nil},
	} {
		f, err := filter.New(assemble(t, c.text), nil)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		for how, attach := range attachments {
			if how == "eBPF" && kernel.Available() != nil {
				t.Log(kernel.Available())
				continue
			}
			in, out := udpPair(t)
			raw := rawConn(t, in)
			if err := attach(f, raw); err != nil {
				t.Fatalf("%s, %s: %v", c.name, how, err)
			}
			if got := exchange(t, in, out, messages); !slices.Equal(got, c.want) {
				t.Errorf("%s, %s: got %q, want %q", c.name, how, got, c.want)
			}
			if err := f.Detach(raw); err != nil {
				t.Fatalf("%s, %s: %v", c.name, how, err)
			}
			if got := exchange(t, in, out, messages); !slices.Equal(got, messages) {
				t.Errorf("%s, %s: detached, %d of %d messages arrive", c.name, how, len(got), len(messages))
			}
		}
	}
}

// TestAttachPacketSocket compares the kernel's verdicts on frames with the filter's own.
func TestAttachPacketSocket(t *testing.T) {
	ownNetwork(t)
	const frames = 32
	for _, expr := range []string{"udp dst port 5003", "udp and greater 80", "ip[20+3] & 3 = 1 or udp dst portrange 5010-5020", "ip6", ""} {
		f, err := filter.Compile(expr, &pcap.Options{LinkType: pcap.LinkTypeEthernet, Source: pcap.SourceSocket})
		if err != nil {
			t.Fatal(err)
		}
		for how, attach := range attachments {
			if how == "eBPF" && kernel.Available() != nil {
				continue
			}
			all, some := packetSocket(t), packetSocket(t)
			if err := attach(f, rawConn(t, some)); err != nil {
				t.Fatalf("%q, %s: %v", expr, how, err)
			}
			for i := range frames {
				to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5000 + i}
				c, err := net.ListenUDP("udp4", to)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.WriteToUDP(make([]byte, 3*i), to); err != nil {
					t.Fatal(err)
				}
				c.Close()
			}
			var want [][]byte
			sent := readAll(t, all)
			for _, frame := range sent {
				if f.Match(frame) {
					want = append(want, frame)
				}
			}
			got := readAll(t, some)
			if !slices.EqualFunc(got, want, slices.Equal[[]byte]) || len(sent) != frames*2 {
				t.Errorf("%q, %s: of %d frames (want %d) the kernel lets %d through, want %d", expr, how, len(sent), frames*2, len(got), len(want))
			}
			t.Logf("%q, %s: %d of %d frames", expr, how, len(got), len(sent))
		}
	}
}

// packetConn is a packet socket on loopback.
type packetConn struct{ fd int }

func (c packetConn) SyscallConn() (syscall.RawConn, error) { return c, nil }
func (c packetConn) Control(f func(uintptr)) error         { f(uintptr(c.fd)); return nil }
func (c packetConn) Read(func(uintptr) bool) error         { return errors.ErrUnsupported }
func (c packetConn) Write(func(uintptr) bool) error        { return errors.ErrUnsupported }

func packetSocket(t *testing.T) packetConn {
	t.Helper()
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: 1}); err != nil {
		t.Fatal(err)
	}
	return packetConn{fd}
}

func readAll(t *testing.T, c packetConn) (frames [][]byte) {
	t.Helper()
	buf := make([]byte, 65536)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, 0)
		if errors.Is(err, unix.EAGAIN) {
			return frames
		}
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, slices.Clone(buf[:n]))
	}
}

func TestAttachRefused(t *testing.T) {
	needsFilters(t)
	ownNetwork(t)
	in, _ := udpPair(t)
	raw := rawConn(t, in)
	for _, name := range []string{"poff", "nla", "nlan", "hatype"} {
		f, err := filter.New(assemble(t, "ldx #0\n ld "+name+"\n ret a"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Attach(raw); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		err = f.AttachEBPF(raw)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "reads "+name+",") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	f, err := filter.New(assemble(t, "ret #-1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first takes away what the loop has left
		err = f.Detach(raw)
	}
	if !errors.Is(err, unix.ENOENT) {
		t.Errorf("detaching from a socket without filter: got %v, want ENOENT", err)
	}
	in.Close()
	for how, attach := range attachments {
		if err := attach(f, raw); !errors.Is(err, net.ErrClosed) && kernel.Available() == nil {
			t.Errorf("%s, closed socket: got %v", how, err)
		}
	}
}

// TestAttachHoldsNoDescriptor checks that the program's descriptor is closed once the socket has it.
func TestAttachHoldsNoDescriptor(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	ownNetwork(t)
	in, _ := udpPair(t)
	f, err := filter.New(assemble(t, "ret #-1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	next := func() int {
		fd, err := unix.Dup(0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		return fd
	}
	before := next()
	for range 10 {
		if err := f.AttachEBPF(rawConn(t, in)); err != nil {
			t.Fatal(err)
		}
	}
	if after := next(); after != before {
		t.Errorf("the next descriptor was %d and is %d", before, after)
	}
}

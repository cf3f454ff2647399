// Implements the test of metadata against the kernel.

//go:build amd64 || arm64

package classic_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/classic/classictest"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

// Metadata as the kernel sees it: frames go over the loopback device of a network namespace of our own, from
// one packet socket to another with a filter that shows a byte of the metadata as its verdict.
func TestMetadataAgainstKernel(t *testing.T) {
	done := make(chan struct{})
	go func() { // in a thread that nobody uses afterwards, since it stays in the namespace
		defer close(done)
		runtime.LockOSThread()
		testMetadata(t)
	}()
	<-done
}

func testMetadata(t *testing.T) {
	send, receive, ok := loopback(t)
	if !ok {
		return
	}
	defer syscall.Close(send)
	defer syscall.Close(receive)
	r := rand.New(rand.NewPCG(10, 0))
	frames := etherFrames(t)
	buf := make([]byte, 1<<16)
	names := [...]string{"poff", "proto", "type", "ifidx", "mark", "queue", "hatype", "vlan_tci", "vlan_avail", "vlan_tpid"}
	understood := 0
	const runs = 20_000
	for n := range runs {
		frame := classictest.Packet(r).Data
		if n%2 == 0 && len(frames) > 0 {
			frame = frames[r.IntN(len(frames))]
		}
		frame = append(append([]byte(nil), frame...), make([]byte, 300)...)
		for range r.IntN(4) { // some damage near the headers
			frame[12+r.IntN(60)] = byte(r.Uint32())
		}
		if r.IntN(8) == 0 {
			binary.BigEndian.PutUint16(frame[12:], etherTypes[r.IntN(len(etherTypes))])
		}
		if binary.BigEndian.Uint16(frame[12:]) == 0x8864 && r.IntN(4) != 0 { // PPPoE
			frame[14], frame[15] = 0x11, 0
			binary.BigEndian.PutUint16(frame[20:], [...]uint16{0x21, 0x57, 0x281, 0xc021, 0x2145, 0x8121}[r.IntN(6)])
		}
		copy(frame, []byte{2, 0, 0, 0, 0, 1}) // for another host, so that the kernel does nothing with it
		p := receivedFrame(frame)
		if helper.PayOffset(p) > 14 {
			understood++
		}
		prog := []bpf.RawInstruction{{Op: 0x30, K: uint32(r.IntN(20)) + (1<<32 + classic.NetworkOffset)}}
		if name := names[r.IntN(len(names))]; n%4 != 3 {
			if n%4 == 0 {
				name = "poff"
			}
			for _, m := range classic.AllMetadata() {
				if m.Name == name {
					prog = []bpf.RawInstruction{{Op: 0x20, K: m.Offset + (1<<32 + classic.AncillaryOffset)}}
				}
			}
		}
		prog = append(prog, []bpf.RawInstruction{{Op: 0x74, K: uint32(r.IntN(2) * 8)}, {Op: 0x54, K: 0xff}, {Op: 0x04, K: 1}, {Op: 0x16}}...)
		vm, err := classic.NewVM(prog)
		if err != nil {
			t.Error(err)
			return
		}
		if err := attach(receive, prog); err != nil {
			t.Error(err)
			return
		}
		if _, err := syscall.Write(send, frame); err != nil {
			t.Error(err)
			return
		}
		got, err := syscall.Read(receive, buf)
		if err != nil {
			t.Error(err)
			return
		}
		if want := vm.Run(p, nil); uint32(got) != want {
			t.Errorf("kernel %#x, interpreter %#x for\n%s%x", got-1, want-1, classic.Append(nil, prog, classic.FormD), frame[:100])
			return
		}
	}
	t.Logf("%d runs, %d frames with a payload", runs, understood)
}

var etherTypes = [...]uint16{0x0800, 0x0806, 0x8035, 0x8100, 0x86dd, 0x8847, 0x8848, 0x8864, 0x88a8, 0x88ca, 0x88f7, 0x88fb, 0x8902, 0x8906, 0x892f}

// receivedFrame is what the kernel makes of a frame that arrives on the loopback device for another host: it
// takes the first VLAN tag off.
func receivedFrame(frame []byte) *spec.Packet {
	const loopbackType, otherHost = 772, 3
	p := &spec.Packet{HardwareType: loopbackType, IfIndex: 1, PktType: otherHost, NetworkOffset: 14}
	ether := binary.BigEndian.Uint16(frame[12:])
	if ether == 0x8100 || ether == 0x88a8 {
		p.VLANPresent, p.VLANProto, p.VLANTCI = true, ether, binary.BigEndian.Uint16(frame[14:])
		frame = append(append([]byte(nil), frame[:12]...), frame[16:]...)
		ether = binary.BigEndian.Uint16(frame[12:])
	}
	if ether < 0x600 { // a length: IEEE 802.3, with or without LLC
		ether = 4
		if frame[14] == 0xff && frame[15] == 0xff {
			ether = 1
		}
	}
	p.Data, p.Protocol = frame, ether
	return p
}

// etherFrames returns the Ethernet frames of the shared captures that the kernel keeps in one piece.
func etherFrames(t *testing.T) [][]byte {
	var frames [][]byte
	for _, c := range captures(t) {
		for _, p := range c.packets {
			if c.linkType == 1 && len(p) >= 18 && len(p) < 3000 {
				frames = append(frames, p)
			}
		}
	}
	return frames
}

// loopback moves the thread to a new network namespace and returns two packet sockets on its loopback device.
func loopback(t *testing.T) (send, receive int, ok bool) {
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		t.Log("not tested, no network namespace: ", err)
		return
	}
	control, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return
	}
	defer syscall.Close(control)
	up := struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}{name: [16]byte{'l', 'o'}, flags: syscall.IFF_UP | syscall.IFF_LOOPBACK}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(control), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&up))); errno != 0 {
		t.Error(errno)
		return
	}
	const allProtocols, ignoreOutgoing = 0x0003, 23
	socket := func(protocol int) int {
		fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Error(err)
			return -1
		}
		network := uint16(protocol)>>8 | uint16(protocol)<<8
		if err := syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: network, Ifindex: 1}); err != nil {
			t.Error(err)
		}
		return fd
	}
	send, receive = socket(0), socket(allProtocols)
	switch err := syscall.SetsockoptInt(receive, syscall.SOL_PACKET, ignoreOutgoing, 1); {
	case errors.Is(err, syscall.ENOPROTOOPT): // an emulator
		t.Skip(err)
	case err != nil:
		t.Error(err)
	}
	if err := syscall.SetsockoptTimeval(receive, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 2}); err != nil {
		t.Error(err)
	}
	return send, receive, !t.Failed()
}

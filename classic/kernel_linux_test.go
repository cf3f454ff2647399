// Implements the tests against the kernel: its checker, its filters at work, its verifier.

//go:build amd64 || arm64

package classic_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/classic/classictest"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

// attach attaches prog to a socket. The kernel refuses programs that break its rules with EINVAL.
func attach(fd int, prog []bpf.RawInstruction) error {
	filter := make([]syscall.SockFilter, len(prog)+1) // one more, so that there is an address for an empty program
	for i, in := range prog {
		filter[i] = syscall.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	fprog := syscall.SockFprog{Len: uint16(len(prog)), Filter: &filter[0]}
	_, _, errno := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.SOL_SOCKET, syscall.SO_ATTACH_FILTER,
		uintptr(unsafe.Pointer(&fprog)), unsafe.Sizeof(fprog), 0)
	runtime.KeepAlive(filter)
	if errno != 0 {
		return errno
	}
	return nil
}

// kernelSocket returns a socket of no use to anybody, or skips the test where filters are not permitted.
func kernelSocket(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip("no socket: ", err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := attach(fd, []bpf.RawInstruction{{Op: 0x06}}); err != nil {
		t.Skip("no filters on sockets: ", err)
	}
	return fd
}

// Check and the kernel must agree on every program, good or bad.
func TestCheckAgainstKernel(t *testing.T) {
	fd := kernelSocket(t)
	r := rand.New(rand.NewPCG(7, 0))
	accepted := 0
	const programs = 20_000
	for n := range programs {
		prog := randomRaw(r, n)
		want := attach(fd, prog)
		if want != nil && !errors.Is(want, syscall.EINVAL) {
			t.Fatal(want)
		}
		got := classic.Check(prog)
		if (got == nil) != (want == nil) {
			t.Fatalf("Check says %v, the kernel %v, of\n%s\n%s", got, want,
				classic.Append(nil, prog, classic.FormDD), classic.Append(nil, prog, classic.FormD))
		}
		if got == nil {
			accepted++
		}
	}
	t.Logf("%d programs, %d accepted", programs, accepted)
	if accepted < programs/10 || accepted > programs*9/10 {
		t.Errorf("%d of %d programs are accepted: the test is one-sided", accepted, programs)
	}
	for _, size := range []int{0, 1, classic.MaxInstructions, classic.MaxInstructions + 1} {
		prog := make([]bpf.RawInstruction, size)
		if size > 0 {
			prog[size-1].Op = 0x06
		}
		if got, want := classic.Check(prog), attach(fd, prog); (got == nil) != (want == nil) {
			t.Errorf("%d instructions: Check says %v, the kernel %v", size, got, want)
		}
	}
}

// randomRaw returns a valid program with or without a few changes, or a heap of random instructions.
func randomRaw(r *rand.Rand, n int) []bpf.RawInstruction {
	if n%8 == 0 {
		prog := make([]bpf.RawInstruction, 1+r.IntN(6))
		for i := range prog {
			prog[i] = bpf.RawInstruction{Op: uint16(r.IntN(256)), Jt: uint8(r.IntN(4)), Jf: uint8(r.IntN(4)), K: uint32(r.IntN(20))}
		}
		return prog
	}
	prog := classictest.Program(r, 1+r.IntN(30), classictest.Full)
	for range r.IntN(3) {
		in := &prog[r.IntN(len(prog))]
		switch r.IntN(6) {
		case 0:
			in.Op = uint16(r.IntN(256))
		case 1:
			in.Op = classic.Rows()[r.IntN(len(classic.Rows()))].Code
		case 2:
			in.Op |= 1 << r.IntN(16)
		case 3:
			in.Jt, in.Jf = uint8(r.IntN(40)), uint8(r.IntN(40))
		case 4:
			in.K = uint32(r.IntN(40))
		case 5:
			in.K = -uint32(1 + r.IntN(0x1010))
		}
	}
	return prog
}

// The kernel's interpreter or JIT and ours must give the same verdicts. Datagrams through a pair of sockets of
// our own show them: what arrives is cut to the verdict, and nothing arrives if it is 0.
func TestRunAgainstKernel(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip("no socket pair: ", err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	r := rand.New(rand.NewPCG(8, 0))
	buf := make([]byte, 4096)
	runs, cut := 0, 0
	for runs < 20_000 {
		prog := classictest.Program(r, 2+r.IntN(40), classictest.Full)
		if !portableToSockets(prog) {
			continue
		}
		for i := range prog { // keep verdicts small enough to show
			if prog[i].Op == 0x06 {
				prog[i].K &= 0xff
			}
		}
		// A verdict of A shows its low eight bits, or the next eight, and so on.
		last := len(prog) - 1
		prog = append(prog[:last:last], []bpf.RawInstruction{{Op: 0x74, K: uint32(r.IntN(4) * 8)}, {Op: 0x54, K: 0xff}, {Op: 0x16}}...)
		if err := attach(pair[1], prog); err != nil {
			t.Skip("no filters on sockets: ", err)
		}
		vm, err := classic.NewVM(prog)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			p := &spec.Packet{Data: append(classictest.Packet(r).Data, make([]byte, 256)...)}
			if _, err := syscall.Write(pair[0], p.Data); err != nil && !errors.Is(err, syscall.EPERM) {
				t.Fatal(err)
			}
			got, err := syscall.Read(pair[1], buf)
			if errors.Is(err, syscall.EAGAIN) {
				got = 0
			} else if err != nil {
				t.Fatal(err)
			}
			want := min(int(vm.Run(p, nil)), len(p.Data))
			if got != want {
				t.Fatalf("kernel %d, interpreter %d for %x and\n%s", got, want, p.Data, classic.Append(nil, prog, classic.FormD))
			}
			runs++
			if got != 0 && got != len(p.Data) {
				cut++
			}
		}
	}
	t.Logf("%d runs, %d verdicts between nothing and everything", runs, cut)
	if cut < runs/10 {
		t.Errorf("only %d of %d verdicts show a number", cut, runs)
	}
}

// portableToSockets reports whether a program's verdict on a datagram does not depend on what only the kernel
// knows: it has no device, no link layer header, and a processor and random numbers of its own.
func portableToSockets(prog []bpf.RawInstruction) bool {
	for _, in := range prog {
		row := classic.Lookup(in.Op)
		if row.Kind != classic.KindLoadPacket && row.Kind != classic.KindLoadHeader {
			continue
		}
		if int32(in.K) < classic.NetworkOffset {
			return false
		}
		if m := classic.LookupMetadata(in.K); row.Operand == classic.OperandAbs && m != nil {
			switch m.Name {
			case "ifidx", "hatype", "cpu", "rand":
				return false
			}
		}
	}
	return true
}

// The kernel's verifier must accept translations that use nothing of Skep's own.
func TestVerifierAcceptsTranslation(t *testing.T) {
	if err := loadProgram([]isa.Instruction{isa.Make(0xb7, 0, 0, 0, 0), isa.Make(0x95, 0, 0, 0, 0)}); err != nil {
		t.Skip("bpf(2) is not permitted: ", err)
	}
	r := rand.New(rand.NewPCG(9, 0))
	const programs = 3000
	for range programs {
		prog := classictest.Program(r, 1+r.IntN(60), classictest.Loadable)
		tr, err := classic.Translate(prog)
		if err != nil {
			t.Fatal(err)
		}
		if err := loadProgram(tr.Program.Insns); err != nil {
			t.Fatalf("%v for\n%s", err, classic.Append(nil, prog, classic.FormD))
		}
	}
	t.Logf("%d programs", programs)

	// A thousand headers: with four thousand the kernel gives up on its own, larger, expansion of packet loads.
	long := []bpf.RawInstruction{{Op: 0x30}, {Op: 0x45, Jt: 1, K: 1}, {Op: 0x05, K: 1000}}
	long = append(long, fillers(1000, bpf.RawInstruction{Op: 0xb1, K: 14}, bpf.RawInstruction{Op: 0x16})...)
	tr, err := classic.Translate(long)
	if err != nil {
		t.Fatal(err)
	}
	if err := loadProgram(tr.Program.Insns); err != nil {
		t.Errorf("a long program: %v", err)
	}
}

// loadProgram has the kernel verify a socket filter and unloads it again.
func loadProgram(code []isa.Instruction) error {
	number, ok := map[string]uintptr{"amd64": 321, "arm64": 280}[runtime.GOARCH]
	if !ok {
		return errors.ErrUnsupported
	}
	raw := isa.Encode(code)
	license := []byte("GPL\x00")
	log := make([]byte, 1<<20)
	attr := struct {
		progType, count uint32
		insns, license  unsafe.Pointer
		logLevel, size  uint32
		log             unsafe.Pointer
		rest            [80]byte
	}{progType: uint32(spec.SocketFilter), count: uint32(len(code)), insns: unsafe.Pointer(&raw[0]), license: unsafe.Pointer(&license[0])}
	load := func() (uintptr, syscall.Errno) {
		const progLoad = 5
		for try := 0; ; try++ {
			fd, _, errno := syscall.Syscall(number, progLoad, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
			if errno != syscall.EAGAIN || try == 100 { // which says that a signal came in between
				return fd, errno
			}
		}
	}
	fd, errno := load()
	if errno != 0 { // again, with the verifier's reasons
		attr.logLevel, attr.size, attr.log = 1, uint32(len(log)), unsafe.Pointer(&log[0])
		load()
		end := max(0, bytes.IndexByte(log, 0))
		return fmt.Errorf("%w: %s", errno, log[max(0, end-2000):end])
	}
	return syscall.Close(int(fd))
}

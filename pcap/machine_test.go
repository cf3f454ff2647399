// Implements what the differential tests share: a small machine, captures, tcpdump, and made-up packets.

package pcap_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/internal/capture"
	"github.com/skepbpf/skep/pcap"
)

// run is a machine for classic code like that of package classic, but for libpcap's programs jumps may go
// backward. It returns 0 or 1, or 2 if the program does not end.
func run(code []bpf.RawInstruction, data []byte) int {
	verdict, _ := runShort(code, data)
	return verdict
}

// runShort is run, and says whether the program ended early: at a load from outside the packet or a
// division by zero.
func runShort(code []bpf.RawInstruction, data []byte) (verdict int, short bool) {
	var a, x uint32
	var m [16]uint32
	load := func(k uint64, size int) bool {
		if k+uint64(size) > uint64(len(data)) {
			return false
		}
		switch b := data[k:]; size {
		case 1:
			a = uint32(b[0])
		case 2:
			a = uint32(binary.BigEndian.Uint16(b))
		default:
			a = binary.BigEndian.Uint32(b)
		}
		return true
	}
	sizes := [...]int{4, 2, 1}
	for pc, steps := 0, 0; steps < 20000; steps++ {
		in := &code[pc]
		pc++
		k := in.K
		operand := k
		if in.Op&8 != 0 {
			operand = x
		}
		switch in.Op {
		case 0x20, 0x28, 0x30:
			if k == 0xfffff004 || k == 0xfffff008 { // Linux's metadata
				a = k & 7
			} else if !load(uint64(k), sizes[in.Op>>3&3]) {
				return 0, true
			}
		case 0x40, 0x48, 0x50:
			if !load(uint64(k+x), sizes[in.Op>>3&3]) {
				return 0, true
			}
		case 0xb1:
			keep := a
			if !load(uint64(k), 1) {
				return 0, true
			}
			x, a = a&15*4, keep
		case 0x00:
			a = k
		case 0x01:
			x = k
		case 0x60:
			a = m[k]
		case 0x61:
			x = m[k]
		case 0x80:
			a = uint32(len(data))
		case 0x81:
			x = uint32(len(data))
		case 0x02:
			m[k] = a
		case 0x03:
			m[k] = x
		case 0x04, 0x0c:
			a += operand
		case 0x14, 0x1c:
			a -= operand
		case 0x24, 0x2c:
			a *= operand
		case 0x34, 0x3c:
			if operand == 0 {
				return 0, true
			}
			a /= operand
		case 0x94, 0x9c:
			if operand == 0 {
				return 0, true
			}
			a %= operand
		case 0x44, 0x4c:
			a |= operand
		case 0x54, 0x5c:
			a &= operand
		case 0xa4, 0xac:
			a ^= operand
		case 0x64, 0x6c:
			a <<= operand & 31
		case 0x74, 0x7c:
			a >>= operand & 31
		case 0x84:
			a = -a
		case 0x07:
			x = a
		case 0x87:
			a = x
		case 0x05:
			pc += int(int32(k))
		case 0x06:
			return int(min(k, 1)), false
		case 0x16:
			return int(min(a, 1)), false
		default:
			var yes bool
			switch in.Op &^ 8 {
			case 0x15:
				yes = a == operand
			case 0x25:
				yes = a > operand
			case 0x35:
				yes = a >= operand
			case 0x45:
				yes = a&operand != 0
			default:
				panic(fmt.Sprintf("opcode %#x", in.Op))
			}
			if yes {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		}
	}
	return 2, false
}

// tcpdump compiles an expression with tcpdump. It returns what tcpdump says if it refuses.
func tcpdump(t testing.TB, link pcap.LinkType, expr string, optimize bool) ([]bpf.RawInstruction, string) {
	t.Helper()
	args := []string{"-y", link.String()}
	if !optimize {
		args = append(args, "-O")
	}
	return tcpdumpWith(t, args, expr)
}

// tcpdumpWith is tcpdump with arguments that say for which packets and how.
func tcpdumpWith(t testing.TB, args []string, expr string) ([]bpf.RawInstruction, string) {
	t.Helper()
	var out, complaint bytes.Buffer
	cmd := exec.Command("tcpdump", append(args, "-ddd", "--", expr)...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); ok {
		return nil, strings.TrimSpace(complaint.String())
	} else if err != nil {
		t.Fatal(err)
	}
	var code []bpf.RawInstruction
	lines := bufio.NewScanner(&out)
	lines.Scan() // how many there are
	for lines.Scan() {
		var in bpf.RawInstruction
		if _, err := fmt.Sscan(lines.Text(), &in.Op, &in.Jt, &in.Jf, &in.K); err != nil {
			t.Fatalf("tcpdump prints %q: %v", lines.Text(), err)
		}
		code = append(code, in)
	}
	return code, ""
}

// needTcpdump skips a test where there is no tcpdump.
func needTcpdump(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("there is no tcpdump here")
	}
}

// captures returns the packets of the shared captures and of the example, by link type.
var captures = sync.OnceValue(func() map[pcap.LinkType][][]byte {
	all := map[pcap.LinkType][][]byte{}
	read := func(file string) {
		b, err := os.ReadFile(file)
		if err != nil || len(b) < 24 {
			return
		}
		if string(b[:4]) == "\x0a\x0d\x0d\x0a" { // pcapng
			r, err := capture.NewReader(bytes.NewReader(b))
			if err != nil {
				return
			}
			for rec, err := r.Next(); err == nil; rec, err = r.Next() {
				link := pcap.LinkType(rec.LinkType)
				all[link] = append(all[link], bytes.Clone(rec.Packet.Data))
			}
			return
		}
		var order binary.ByteOrder = binary.LittleEndian
		if m := order.Uint32(b); m != 0xa1b2c3d4 && m != 0xa1b23c4d && m != 0xa1b2cd34 {
			order = binary.BigEndian
		}
		if m := order.Uint32(b); m != 0xa1b2c3d4 && m != 0xa1b23c4d && m != 0xa1b2cd34 {
			return
		}
		header := 16
		if order.Uint32(b) == 0xa1b2cd34 {
			header = 24
		}
		link := pcap.LinkType(order.Uint32(b[20:]))
		if name, err := pcap.ParseLinkType(link.String()); err == nil {
			link = name // some numbers stand for the same as others
		}
		for b = b[24:]; len(b) >= header; {
			n := uint64(order.Uint32(b[8:]))
			b = b[header:]
			if n > uint64(len(b)) {
				break
			}
			all[link] = append(all[link], b[:n:n])
			b = b[n:]
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return all
	}
	read(filepath.Join(dir, "..", "examples", "traffic.pcap"))
	for ; ; dir = filepath.Dir(dir) {
		files, _ := filepath.Glob(filepath.Join(dir, "shared", "pcaps", "*"))
		for _, file := range files {
			read(file)
		}
		if len(files) > 0 || dir == filepath.Dir(dir) {
			return all
		}
	}
})

// hint is a comparison that a program makes: packets that should get far hold its constant there.
type hint struct {
	at   int
	size int
	k    uint32
}

func hints(code []bpf.RawInstruction) []hint {
	var all []hint
	var last hint
	for _, in := range code {
		switch in.Op {
		case 0x20, 0x28, 0x30:
			last = hint{at: int(in.K), size: [...]int{4, 2, 1}[in.Op>>3&3]}
		case 0x40, 0x48, 0x50:
			last = hint{at: -1 - int(int32(in.K)), size: [...]int{4, 2, 1}[in.Op>>3&3]}
		case 0x15, 0x25, 0x35, 0x45:
			last.k = in.K
			if last.size > 0 {
				all = append(all, last)
			}
		}
	}
	return all
}

// packet makes up a packet that some of the hints are true of.
func packet(r *rand.Rand, hints []hint, base [][]byte) []byte {
	data := make([]byte, r.IntN(140))
	switch {
	case len(base) > 0 && r.IntN(2) == 0:
		b := base[r.IntN(len(base))]
		data = bytes.Clone(b[:min(len(b), 256)])
		if r.IntN(3) == 0 {
			data = data[:r.IntN(len(data)+1)]
		}
	case r.IntN(2) == 0:
		for i := range data {
			data[i] = byte(r.Uint32())
		}
	}
	for n := r.IntN(8); n > 0 && len(hints) > 0; n-- {
		h := hints[r.IntN(len(hints))]
		at := h.at
		if at < 0 { // indexed: by what, nobody knows
			at = -1 - at + 4*r.IntN(16)
		}
		if at < 0 || at+h.size > len(data) {
			continue
		}
		k := h.k
		if r.IntN(8) == 0 {
			k += uint32(r.IntN(3)) - 1
		}
		for i := range h.size {
			data[at+i] = byte(k >> (8 * (h.size - 1 - i)))
		}
	}
	return data
}

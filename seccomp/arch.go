// Implements architectures: how a filter sees them, and their tables of system calls.

package seccomp

import (
	_ "embed"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run ./internal/gensyscalls syscalls.txt

// Arch is a calling convention for system calls. Two of them can share an architecture number: x32 calls are calls of
// amd64 with a bit set in the number.
type Arch uint8

// The architectures. Their names are Go's (GOARCH) where Go has one.
const (
	NoArch Arch = iota
	AMD64
	X32 // 32-bit pointers in 64-bit mode; its numbers have bit 30 set
	I386
	ARM
	ARM64
	LoongArch64
	RISCV64
	PPC
	PPC64
	PPC64LE
	S390X
	S390
	MIPS   // o32
	MIPSLE // o32, little endian
	MIPS64 // n64
	MIPS64LE
	MIPS64N32
	MIPS64LEN32
)

// archRow describes an architecture. AUDIT_ARCH_ numbers are those of linux/audit.h; bit 30 says little endian.
type archRow struct {
	name, oci string // oci is the runtime specification's name without SCMP_ARCH_
	machine   string // as uname -m says
	audit     uint32
	table     string // column of syscalls.txt
	narrow    bool   // arguments are 32 bits wide
}

var archRows = [...]archRow{
	AMD64:       {"amd64", "X86_64", "x86_64", 0xC000003E, "amd64", false},
	X32:         {"x32", "X32", "", 0xC000003E, "x32", false},
	I386:        {"386", "X86", "i686", 0x40000003, "386", true},
	ARM:         {"arm", "ARM", "armv7l", 0x40000028, "arm", true},
	ARM64:       {"arm64", "AARCH64", "aarch64", 0xC00000B7, "arm64", false},
	LoongArch64: {"loong64", "LOONGARCH64", "loongarch64", 0xC0000102, "loong64", false},
	RISCV64:     {"riscv64", "RISCV64", "riscv64", 0xC00000F3, "riscv64", false},
	PPC:         {"ppc", "PPC", "ppc", 0x14, "ppc", true},
	PPC64:       {"ppc64", "PPC64", "ppc64", 0x80000015, "ppc64", false},
	PPC64LE:     {"ppc64le", "PPC64LE", "ppc64le", 0xC0000015, "ppc64", false},
	S390X:       {"s390x", "S390X", "s390x", 0x80000016, "s390x", false},
	S390:        {"s390", "S390", "s390", 0x16, "s390", true},
	MIPS:        {"mips", "MIPS", "mips", 0x8, "mips", true},
	MIPSLE:      {"mipsle", "MIPSEL", "mipsel", 0x40000008, "mips", true},
	MIPS64:      {"mips64", "MIPS64", "mips64", 0x80000008, "mips64", false},
	MIPS64LE:    {"mips64le", "MIPSEL64", "", 0xC0000008, "mips64", false},
	MIPS64N32:   {"mips64n32", "MIPS64N32", "", 0xA0000008, "mips64n32", false},
	MIPS64LEN32: {"mips64len32", "MIPSEL64N32", "", 0xE0000008, "mips64n32", false},
}

const (
	littleEndian = 0x40000000 // bit of architecture numbers, __AUDIT_ARCH_LE
	x32Bit       = 0x40000000 // bit of numbers of x32 calls, __X32_SYSCALL_BIT
)

// Arches returns all architectures.
func Arches() []Arch {
	var all []Arch
	for a := AMD64; int(a) < len(archRows); a++ {
		all = append(all, a)
	}
	return all
}

// Native returns the architecture that this program was built for, NoArch if there is no table for it.
func Native() Arch {
	for _, a := range Arches() {
		if archRows[a].name == runtime.GOARCH {
			return a
		}
	}
	return NoArch
}

// ParseArch reads a name of an architecture: Go's ("amd64"), the runtime specification's ("SCMP_ARCH_X86_64") or
// uname's ("x86_64").
func ParseArch(s string) (Arch, error) {
	short := strings.TrimPrefix(s, "SCMP_ARCH_")
	for _, a := range Arches() {
		if r := archRows[a]; s == r.name || short == r.oci || s != "" && s == r.machine {
			return a, nil
		}
	}
	if s == "x86" {
		return I386, nil // in profiles of Docker
	}
	var names []string
	for _, a := range Arches() {
		names = append(names, a.String())
	}
	return NoArch, fmt.Errorf("unknown architecture %q, expected one of %s, or a name like SCMP_ARCH_X86_64", s, strings.Join(names, ", "))
}

// ArchOf returns an architecture by its AUDIT_ARCH_ number and a call's, which tells x32 from amd64; NoArch if there
// is none.
func ArchOf(audit, nr uint32) Arch {
	for _, a := range Arches() {
		if archRows[a].audit == audit && a.has(nr) {
			return a
		}
	}
	return NoArch
}

// String returns the architecture's name, such as "amd64".
func (a Arch) String() string {
	if a == NoArch || int(a) >= len(archRows) {
		return "no architecture"
	}
	return archRows[a].name
}

// OCI returns the architecture's name in the runtime specification, such as "SCMP_ARCH_X86_64".
func (a Arch) OCI() string { return "SCMP_ARCH_" + archRows[a].oci }

// Audit returns the number that filters see, an AUDIT_ARCH_ of linux/audit.h.
func (a Arch) Audit() uint32 { return archRows[a].audit }

// BigEndian reports whether the high half of an argument comes first in struct seccomp_data.
func (a Arch) BigEndian() bool { return archRows[a].audit&littleEndian == 0 }

// Narrow reports whether arguments have 32 bits. Their high halves are 0 then, and no test looks at them.
func (a Arch) Narrow() bool { return archRows[a].narrow }

//go:embed syscalls.txt
var syscallText string

// syscallTable is a column of syscalls.txt.
type syscallTable struct {
	number map[string]uint32
	name   map[uint32]string

	sort   sync.Once
	sorted []uint32 // numbers
}

// syscalls returns the tables by column, the set of all names, and the version of Linux that they are from.
var syscalls = sync.OnceValue(func() (s struct {
	tables map[string]*syscallTable
	names  map[string]bool
	kernel string
}) {
	s.tables, s.names = map[string]*syscallTable{}, map[string]bool{}
	var columns []*syscallTable
	for line := range strings.Lines(syscallText) {
		f := strings.Fields(line)
		switch {
		case f[0] == "#":
			s.kernel = strings.TrimPrefix(f[len(f)-1], "v")
		case f[0] == "name":
			for _, column := range f[1:] {
				t := &syscallTable{number: map[string]uint32{}, name: map[uint32]string{}}
				columns, s.tables[column] = append(columns, t), t
			}
		default:
			s.names[f[0]] = true
			for i, cell := range f[1:] {
				if n, err := strconv.ParseUint(cell, 10, 32); err == nil {
					columns[i].number[f[0]], columns[i].name[uint32(n)] = uint32(n), f[0]
				}
			}
		}
	}
	return s
})

// TablesFrom returns the version of Linux whose system calls the tables list, such as "7.0".
func TablesFrom() string { return syscalls().kernel }

// KnownSyscall reports whether some architecture has a system call of that name.
func KnownSyscall(name string) bool { return syscalls().names[name] }

// Number returns the number of a system call, with the x32 bit for X32. It reports false if the architecture has no
// such call.
func (a Arch) Number(name string) (uint32, bool) {
	if a == NoArch {
		return 0, false
	}
	n, ok := syscalls().tables[archRows[a].table].number[name]
	return n, ok
}

// Name returns the name of the system call with a number, or "" if there is none.
func (a Arch) Name(number uint32) string {
	if a == NoArch {
		return ""
	}
	return syscalls().tables[archRows[a].table].name[number]
}

// Syscalls returns the names of the architecture's system calls, sorted.
func (a Arch) Syscalls() []string {
	var names []string
	if a == NoArch {
		return nil
	}
	for name := range syscalls().tables[archRows[a].table].number {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// muxed is a system call that old 32-bit and s390x kernels offer as a sub-call of another one, by its first argument.
type muxed struct {
	by   string
	call uint32
}

// multiplexed lists the calls of socketcall (linux/net.h) and ipc (linux/ipc.h).
var multiplexed = map[string]muxed{
	"socket": {"socketcall", 1}, "bind": {"socketcall", 2}, "connect": {"socketcall", 3}, "listen": {"socketcall", 4},
	"accept": {"socketcall", 5}, "getsockname": {"socketcall", 6}, "getpeername": {"socketcall", 7},
	"socketpair": {"socketcall", 8}, "send": {"socketcall", 9}, "recv": {"socketcall", 10}, "sendto": {"socketcall", 11},
	"recvfrom": {"socketcall", 12}, "shutdown": {"socketcall", 13}, "setsockopt": {"socketcall", 14},
	"getsockopt": {"socketcall", 15}, "sendmsg": {"socketcall", 16}, "recvmsg": {"socketcall", 17},
	"accept4": {"socketcall", 18}, "recvmmsg": {"socketcall", 19}, "sendmmsg": {"socketcall", 20},
	"semop": {"ipc", 1}, "semget": {"ipc", 2}, "semctl": {"ipc", 3}, "semtimedop": {"ipc", 4}, "msgsnd": {"ipc", 11},
	"msgrcv": {"ipc", 12}, "msgget": {"ipc", 13}, "msgctl": {"ipc", 14}, "shmat": {"ipc", 21}, "shmdt": {"ipc", 22},
	"shmget": {"ipc", 23}, "shmctl": {"ipc", 24},
}

// muxMask is the part of the first argument that tells the sub-call. That of ipc has a version above it.
func (m muxed) mask() uint64 {
	if m.by == "ipc" {
		return 0xffff
	}
	return 0xffffffff
}

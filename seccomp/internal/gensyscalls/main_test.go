package main

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestFresh makes sure that the table is what the generator makes.
func TestFresh(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command")
	}
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join("..", "..", "syscalls.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("syscalls.txt is not what the generator makes: go generate ./seccomp")
	}
}

// headers lists where the headers of each ABI may be, as Debian's linux-libc-dev and linux-libc-dev-*-cross install
// them.
var headers = map[string][]string{
	"amd64":     {"/usr/include/x86_64-linux-gnu/asm/unistd_64.h"},
	"x32":       {"/usr/include/x86_64-linux-gnu/asm/unistd_x32.h"},
	"386":       {"/usr/include/x86_64-linux-gnu/asm/unistd_32.h"},
	"arm":       {"/usr/arm-linux-gnueabihf/include/asm/unistd-eabi.h"},
	"s390x":     {"/usr/s390x-linux-gnu/include/asm/unistd_64.h"},
	"s390":      {"/usr/s390x-linux-gnu/include/asm/unistd_32.h"},
	"ppc64":     {"/usr/powerpc64le-linux-gnu/include/asm/unistd_64.h"},
	"ppc":       {"/usr/powerpc64le-linux-gnu/include/asm/unistd_32.h"},
	"mips":      {"/usr/mips64-linux-gnuabi64/include/asm/unistd_o32.h"},
	"mips64":    {"/usr/mips64-linux-gnuabi64/include/asm/unistd_n64.h"},
	"mips64n32": {"/usr/mips64-linux-gnuabi64/include/asm/unistd_n32.h"},
	"arm64":     {"/usr/include/asm-generic/unistd.h"},
	"riscv64":   {"/usr/include/asm-generic/unistd.h"},
}

var headerLine = regexp.MustCompile(`^#define __NR_([a-z0-9_]+)\s+\(?(?:(__[A-Za-z0-9_]+)\s*\+\s*)?(\d+)\)?\s*$`)

// TestHeaders compares the table with the kernel's headers, where these are installed: no call may have another
// number.
func TestHeaders(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "syscalls.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	table := map[string]map[string]int{}
	for line := range strings.Lines(string(data)) {
		switch f := strings.Fields(line); {
		case f[0] == "name":
			columns = f[1:]
			for _, c := range columns {
				table[c] = map[string]int{}
			}
		case f[0] != "#":
			for i, cell := range f[1:] {
				if n, err := strconv.Atoi(cell); err == nil {
					table[columns[i]][f[0]] = n
				}
			}
		}
	}
	offsets := map[string]int{"__X32_SYSCALL_BIT": 0x40000000, "__NR_SYSCALL_BASE": 0}
	abi := map[string]int{"mips": 4000, "mips64": 5000, "mips64n32": 6000}
	for _, column := range slices.Sorted(maps.Keys(headers)) {
		compared := 0
		for _, file := range headers[column] {
			text, err := os.ReadFile(file)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(text)) {
				m := headerLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
				if m == nil || m[1] == "syscalls" || m[1] == "arch_specific_syscall" {
					continue
				}
				n, _ := strconv.Atoi(m[3])
				if m[2] == "__NR_Linux" {
					n += abi[column]
				}
				n += offsets[m[2]]
				got, ok := table[column][m[1]]
				generic := strings.Contains(file, "asm-generic") // lists calls that not all that use it have
				if ok && got != n || !ok && !generic {
					t.Errorf("%s: %s is %d (%t), in %s %d", column, m[1], got, ok, file, n)
				}
				compared++
			}
		}
		if compared > 0 {
			t.Logf("%s: %d calls compared", column, compared)
		}
	}
}

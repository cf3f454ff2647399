// Implements the generator of the table of system calls.

// Gensyscalls writes the table of system calls of package seccomp to stdout or, with an argument, to a file. Its
// sources are the tables of golang.org/x/sys/unix, which are made from the kernel's headers, and extra.txt beside
// this file for what these lack.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// tables lists the columns of the result, and the file of golang.org/x/sys/unix behind each. Where there is none,
// extra.txt has the calls below firstShared.
var tables = []struct{ name, file string }{
	{"amd64", "amd64"}, {"x32", ""}, {"386", "386"}, {"arm", "arm"}, {"arm64", "arm64"}, {"loong64", "loong64"},
	{"riscv64", "riscv64"}, {"ppc", "ppc"}, {"ppc64", "ppc64"}, {"s390x", "s390x"}, {"s390", ""},
	{"mips", "mips"}, {"mips64", "mips64"}, {"mips64n32", ""},
}

// From Linux 5.1 on a new call has the same number everywhere, counted from base. The ABIs of extra.txt have those of
// firstShared and above that their sibling has.
const firstShared = 424

var (
	base    = map[string]int{"x32": 0x40000000, "mips64n32": 6000, "mips64": 5000}
	sibling = map[string]string{"x32": "amd64", "mips64n32": "mips64", "s390": "s390x"}
)

// not32 are calls of amd64 that x32 does not have.
var not32 = []string{"map_shadow_stack"}

//go:embed extra.txt
var extra string

func main() {
	text, err := generate()
	if err == nil && len(os.Args) > 1 {
		err = os.WriteFile(os.Args[1], text, 0o644)
	} else if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gensyscalls:", err)
		os.Exit(1)
	}
}

// generate returns the table as text.
func generate() ([]byte, error) {
	dir, version, err := sysModule()
	if err != nil {
		return nil, err
	}
	columns := make([]map[string]int, len(tables))
	for i, t := range tables {
		columns[i] = map[string]int{}
		if t.file != "" {
			if columns[i], err = read(filepath.Join(dir, "unix", "zsysnum_linux_"+t.file+".go")); err != nil {
				return nil, err
			}
		}
		if err := addExtra(t.name, columns[i]); err != nil {
			return nil, err
		}
	}
	for i, t := range tables {
		addShared(t.name, columns, columns[i])
	}
	kernel, err := kernelVersion(filepath.Join(dir, "unix", "linux", "Dockerfile"))
	if err != nil {
		return nil, err
	}
	return format(columns, version, kernel), check(columns)
}

// sysModule returns the directory and version of golang.org/x/sys.
func sysModule() (dir, version string, err error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}\n{{.Version}}", "golang.org/x/sys").Output()
	if err != nil {
		return "", "", fmt.Errorf("go list -m golang.org/x/sys: %w", err)
	}
	dir, version, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return dir, version, nil
}

var (
	sysLine    = regexp.MustCompile(`^\tSYS_([A-Z0-9_]+)\s*=\s*(\d+)$`)
	kernelLine = regexp.MustCompile(`git clone --branch (v[0-9.]+) .*torvalds/linux`)
)

// noCalls are constants that only look like calls: the mask of ARM's numbers, and the first of those that a machine
// with the generic table may have.
var noCalls = []string{"SYSCALL_MASK", "ARCH_SPECIFIC_SYSCALL"}

// read returns the calls of one file of golang.org/x/sys/unix.
func read(file string) (map[string]int, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	calls := map[string]int{}
	for line := range strings.Lines(string(data)) {
		if m := sysLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && !slices.Contains(noCalls, m[1]) {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				return nil, err
			}
			calls[strings.ToLower(m[1])] = n
		}
	}
	if len(calls) < 250 {
		return nil, fmt.Errorf("%s: only %d calls found", file, len(calls))
	}
	return calls, nil
}

// kernelVersion returns the version of Linux that golang.org/x/sys was made from.
func kernelVersion(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	m := kernelLine.FindSubmatch(data)
	if m == nil {
		return "", errors.New(file + " does not say which Linux it is about")
	}
	return string(m[1]), nil
}

// addExtra adds the calls of extra.txt to a column.
func addExtra(name string, to map[string]int) error {
	for line := range strings.Lines(extra) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] != name {
			continue
		}
		n, err := strconv.Atoi(f[2])
		if err != nil {
			return fmt.Errorf("extra.txt: %w", err)
		}
		to[f[1]] = base[name] + n
	}
	return nil
}

// addShared adds the calls that an ABI has in common with its sibling.
func addShared(name string, columns []map[string]int, to map[string]int) {
	for i, t := range tables {
		if t.name != sibling[name] {
			continue
		}
		for call, n := range columns[i] {
			if n -= base[t.name]; n >= firstShared && (name != "x32" || !slices.Contains(not32, call)) {
				to[call] = base[name] + n
			}
		}
	}
}

// check finds numbers that two calls of a column have.
func check(columns []map[string]int) error {
	for i, column := range columns {
		names := map[int]string{}
		for _, call := range slices.Sorted(maps.Keys(column)) {
			if other, ok := names[column[call]]; ok {
				return fmt.Errorf("%s: %s and %s are both %d", tables[i].name, other, call, column[call])
			}
			names[column[call]] = call
		}
	}
	return nil
}

func format(columns []map[string]int, version, kernel string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Generated by internal/gensyscalls from golang.org/x/sys %s. DO NOT EDIT.\n# Linux %s\nname", version, kernel)
	all := map[string]bool{}
	for i, t := range tables {
		fmt.Fprintf(&b, " %s", t.name)
		for call := range columns[i] {
			all[call] = true
		}
	}
	for _, call := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "\n%s", call)
		for i := range tables {
			if n, ok := columns[i][call]; ok {
				fmt.Fprintf(&b, " %d", n)
			} else {
				fmt.Fprint(&b, " -")
			}
		}
	}
	b.WriteByte('\n')
	return b.Bytes()
}

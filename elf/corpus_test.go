// Implements the tests over the objects of package objtest: as they are committed, and as compilers make them here.

package elf_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// asCompiled makes tests independent of the kernel.
var asCompiled = &elf.Options{NoTypes: elf.AsCompiled, KernelVersion: 6 << 16, Kconfig: map[string]string{
	"CONFIG_BPF": "y", "CONFIG_HZ": "250", "CONFIG_BPF_SYSCALL": "m", "CONFIG_NOT_THERE": `"abc"`}}

func load(t *testing.T, name string) *spec.Collection {
	t.Helper()
	c, err := elf.Load(objtest.Object(t, name), asCompiled)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func program(t *testing.T, c *spec.Collection, name string) *spec.Program {
	t.Helper()
	at := slices.IndexFunc(c.Programs, func(p spec.Program) bool { return p.Name == name })
	if at < 0 {
		t.Fatalf("there is no program %s", name)
	}
	return &c.Programs[at]
}

func mapNamed(t *testing.T, c *spec.Collection, name string) *spec.Map {
	t.Helper()
	at := slices.IndexFunc(c.Maps, func(m spec.Map) bool { return m.Name == name })
	if at < 0 {
		t.Fatalf("there is no map %s", name)
	}
	return &c.Maps[at]
}

// untyped tells that a program's section does not say what it is.
func untyped(c *spec.Collection) (n int) {
	for _, p := range c.Programs {
		if p.Type == spec.Unspec {
			n++
		}
	}
	return n
}

func TestCorpus(t *testing.T) {
	for _, name := range objtest.Names() {
		t.Run(name, func(t *testing.T) {
			data := objtest.Object(t, name)
			c, err := elf.Load(data, asCompiled)
			if err != nil {
				t.Fatal(err)
			}
			if n := untyped(c); n == 0 {
				checkPrograms(t, name, c)
				if name != "legacy" { // which has what cilium/ebpf does not look for
					compareWithCilium(t, name, data, c)
				}
			} else if name != "text" && name != "sections" {
				t.Errorf("%d programs have no type", n)
			}
			for i := range c.Programs {
				if p := &c.Programs[i]; name != "text" && (len(p.Lines) == 0 || p.Funcs[0].Type == nil) {
					t.Errorf("%s has no lines, or its function no type", p.Name)
				}
			}
		})
	}
}

// TestCompiled compiles the sources in every way and loads what comes out.
func TestCompiled(t *testing.T) {
	compilers := objtest.Compilers()
	if len(compilers) == 0 {
		t.Skip("neither clang-14 nor clang-19 is installed")
	}
	sources, err := filepath.Glob(filepath.Join(objtest.Sources(1), "*.c"))
	if err != nil || len(sources) == 0 {
		t.Fatal("no sources", err)
	}
	cpus := []string{"v1", "v2", "v3", "v4"}
	if testing.Short() {
		cpus = []string{"v1", "v4"}
	}
	for _, cc := range compilers {
		for _, cpu := range cpus {
			if cc == "clang-14" && cpu == "v4" {
				cpu = "v3"
			}
			for _, source := range sources {
				name := strings.TrimSuffix(filepath.Base(source), ".c")
				for _, debug := range []bool{true, false} {
					t.Run(fmt.Sprintf("%s/%s/%s/%v", cc, cpu, name, debug), func(t *testing.T) {
						compileAndLoad(t, cc, source, cpu, debug)
					})
				}
			}
		}
	}
}

func compileAndLoad(t *testing.T, cc, source, cpu string, debug bool) {
	args := []string{"-target", "bpfel", "-mcpu=" + cpu}
	if debug {
		args = append(args, "-g")
	}
	name := strings.TrimSuffix(filepath.Base(source), ".c")
	if name == "extern" && !debug {
		return // the compiler refuses CO-RE without types
	}
	data := objtest.Compile(t, cc, source, args...)
	c, err := elf.Load(data, asCompiled)
	// Maps defined by types need these, and so does a table of functions.
	if needs := !slices.Contains([]string{"legacy", "sections", "text", "xdp_rewrite", "tc", "socket", "globals", "custom", "widths"}, name); needs && !debug {
		var typed *elf.Error
		if !errors.As(err, &typed) || !strings.Contains(err.Error(), "BTF") {
			t.Errorf("without types: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := untyped(c); n == 0 {
		checkPrograms(t, name, c)
		if name != "legacy" {
			compareWithCilium(t, name, data, c)
		}
	}
}

// TestBigEndian wants a clear refusal.
func TestBigEndian(t *testing.T) {
	compilers := objtest.Compilers()
	if len(compilers) == 0 {
		t.Skip("no compiler")
	}
	data := objtest.Compile(t, compilers[0], filepath.Join(objtest.Sources(1), "count.c"), "-target", "bpfeb", "-g")
	if _, err := elf.Load(data, nil); !errors.Is(err, elf.ErrBigEndian) || !strings.Contains(err.Error(), "bpfel") {
		t.Error(err)
	}
}

package skep_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// importPolicy says what each package may import: its own module's packages by their path below the module,
// others' by the start of their path. The standard library is free to all. Imports point down: a package only imports what stands on a line above its own.
//
// docs/architecture.md shows the picture.
const importPolicy = `
isa:
internal/btfprint:    github.com/cilium/ebpf/btf
internal/value:
internal/strictjson:
spec:                 internal/strictjson isa github.com/cilium/ebpf/btf
asm:                  spec isa
progtype:             spec
bpfmap:               spec isa github.com/cilium/ebpf
bpfmap/ringbuf:       bpfmap spec github.com/cilium/ebpf
bpfmap/perf:          bpfmap spec github.com/cilium/ebpf
helper:               bpfmap spec
elf:                  spec isa github.com/cilium/ebpf
classic:              spec isa helper golang.org/x/net/bpf
pcap:                 classic spec golang.org/x/net/bpf
internal/ir:          spec isa
internal/prove:       internal/ir isa
internal/verify:      asm internal/value internal/ir progtype helper spec isa github.com/cilium/ebpf/btf
internal/witness:     internal/ir progtype helper spec isa
internal/mem:
internal/jit/amd64:   isa
internal/jit:         internal/jit/amd64 internal/ir helper isa
internal/execmem:     golang.org/x/sys/unix
internal/diagram:
seccomp/internal/gensyscalls:
internal/jit/cabi:
internal/interp:      bpfmap internal/jit internal/jit/amd64 internal/execmem internal/ir internal/mem helper spec isa
.:                    bpfmap elf internal/verify internal/witness internal/ir internal/mem internal/interp helper progtype spec isa github.com/cilium/ebpf
internal/automaton:
emit:                 . bpfmap spec isa internal/ir internal/prove
event:                . emit internal/automaton bpfmap spec isa github.com/cilium/ebpf/btf
internal/kernel:      spec isa github.com/cilium/ebpf/btf golang.org/x/sys/unix
internal/live:        classic spec golang.org/x/net/bpf golang.org/x/sys/unix
seccomp:              . classic internal/diagram internal/strictjson spec isa golang.org/x/net/bpf golang.org/x/sys/unix
filter:               . classic pcap helper internal/kernel spec isa golang.org/x/net/bpf golang.org/x/sys/unix
internal/conformance: helper
internal/enginetest:  internal/conformance helper asm spec isa
internal/tracedat:    event github.com/klauspost/compress/zstd
internal/capture:     spec github.com/gopacket/gopacket github.com/klauspost/compress/zstd
examples/bpf2go:      github.com/cilium/ebpf
examples/gen:         github.com/gopacket/gopacket
cmd/skep:             . asm bpfmap elf event classic pcap filter seccomp helper progtype spec isa internal/btfprint internal/capture internal/conformance internal/interp internal/ir internal/jit internal/jit/amd64 internal/kernel internal/live internal/mem internal/tracedat github.com/cilium/ebpf/btf github.com/gopacket/gopacket golang.org/x/arch golang.org/x/net/bpf golang.org/x/term github.com/spf13/cobra
`

const modulePath = "github.com/skepbpf/skep"

// TestImportPolicy reads the sources itself rather than asking the go command, whose answers the test cache
// would not see change.
func TestImportPolicy(t *testing.T) {
	allowed := map[string][]string{}
	var order []string
	for _, line := range strings.Split(strings.TrimSpace(importPolicy), "\n") {
		name, rest, _ := strings.Cut(line, ":")
		allowed[name] = strings.Fields(rest)
		for _, p := range allowed[name] {
			if !strings.Contains(p, ".") && !slices.Contains(order, p) {
				t.Errorf("policy: %s may import %s, which stands below it", name, p)
			}
		}
		order = append(order, name)
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (path == "bench" || path == filepath.Join("event", "cel") || d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if strings.HasSuffix(pkg, "test") && pkg != "internal/enginetest" {
			return nil // helpers of tests
		}
		seen[pkg] = true
		rules, ok := allowed[pkg]
		if !ok {
			t.Errorf("package %s is not in the policy", pkg)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !mayImport(rules, name) {
				t.Errorf("%s imports %s, which the policy for %s does not list", path, name, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range order {
		if !seen[name] {
			t.Errorf("policy: there is no package %s", name)
		}
	}
}

func mayImport(rules []string, name string) bool {
	if name == "C" {
		return false
	}
	if own, ok := strings.CutPrefix(name, modulePath); ok {
		own = strings.TrimPrefix(own, "/")
		if own == "" {
			own = "."
		}
		return slices.Contains(rules, own)
	}
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(rules, func(r string) bool { return name == r || strings.HasPrefix(name, r+"/") })
}

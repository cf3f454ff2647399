package examples_test

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestOneLine checks that the test of what bpf2go has made runs in the kernel with another import line and nothing else.
func TestOneLine(t *testing.T) {
	read := func(file string) []string {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(data), "\n")
	}
	here, there := read("bpf2go/firewall_test.go"), read("bpf2go/kernel/firewall_test.go")
	i := slices.Index(here, "\tebpf \"github.com/skepbpf/skep\"")
	if i < 0 || i >= len(there) || there[i] != "\t\"github.com/cilium/ebpf\"" {
		t.Fatal("the import lines are not there")
	}
	here[i], there[i] = "", ""
	if !slices.Equal(here, there) {
		t.Error("the tests differ elsewhere")
	}
}

package elf_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
)

// TestPointers reads what variables and maps are initialised with.
func TestPointers(t *testing.T) {
	c := load(t, "tables")
	for name, want := range map[string]string{
		".data":   "[{8 .data true 40} {24 .data true 0} {32 .data true 0}]",
		".rodata": "[{0 first false 0} {8 second false 0} {16 .rodata.str1.1 true 0} {24 .rodata.str1.1 true 5} {32 .rodata.str1.1 true 9} {40 .rodata.str1.1 true 13}]",
		"outer":   "[]",
	} {
		if got := fmt.Sprint(mapNamed(t, c, name).Pointers); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestPointersRefused wants an error that names section and symbol of an address that there is not, if a program refers
// to the section.
func TestPointersRefused(t *testing.T) {
	const head = `#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); };
extern int elsewhere, perhaps __attribute__((weak));
static __attribute__((noinline)) int helps(int x) { return x * 3; }
volatile int zero;
`
	const tail = `
char _license[] SEC("license") = "GPL";`
	for _, c := range []struct{ name, text, section, symbol, want string }{
		{"function", `int (*volatile to)(int) = helps; SEC("socket") int f(void *ctx) { return to == 0; }`, ".data", "helps", "function"},
		{"unused function", `int (*volatile to)(int) = helps; SEC("socket") int f(void *ctx) { return zero; }`, "", "", ""},
		{"missing", `int *volatile to = &elsewhere; SEC("socket") int f(void *ctx) { return to == 0; }`, ".data", "elsewhere", "does not define"},
		{"weak", `int *volatile to = &perhaps; SEC("socket") int f(void *ctx) { return to == 0; }`, "", "", ""},
		{"map of a variable", `struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 4); __type(key, __u32); __array(values, struct inner); } outer SEC(".maps") = {.values = {(void *)&zero}};`,
			".maps", "zero", "neither a map nor a program"},
		{"array of programs with a map", `struct inner first SEC(".maps"); struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, 3); __uint(key_size, 4); __array(values, int(void *)); } progs SEC(".maps") = {.values = {[2] = (void *)&first}};`,
			".maps", "first", "prog_array"},
		{"static inner map", `static struct inner first SEC(".maps"), second SEC(".maps"); struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 4); __type(key, __u32); __array(values, struct inner); } outer SEC(".maps") = {.values = {&second, &first}};
			SEC("socket") int f(void *ctx) { int k = 0; return !!bpf_map_lookup_elem(&outer, &k) + !!bpf_map_lookup_elem(&first, &k); }`, "", "", ""},
		{"no value", `struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u32); int *extra; } odd SEC(".maps") = {.type = (void *)&zero};`, ".maps", "zero", "extra"},
		{"misplaced", `struct { int (*type)[2]; __uint(max_entries, 4); __type(key, __u32); __type(value, __u32); } odd SEC(".maps") = {.type = (void *)&zero};`, ".maps", "zero", "where none can be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "x.c")
			if err := os.WriteFile(source, []byte(head+c.text+tail), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := elf.Load(objtest.Compile(t, "clang-19", source, "-target", "bpfel", "-g"), asCompiled)
			var wrong *elf.Error
			switch {
			case c.section == "" && err != nil:
				t.Error(err)
			case c.section == "":
			case !errors.As(err, &wrong) || wrong.Section != c.section || wrong.Symbol != c.symbol && c.name != "no value" || !strings.Contains(err.Error(), c.want):
				t.Errorf("%v", err)
			}
		})
	}
}

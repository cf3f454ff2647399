// Package objtest holds programs in C, with the objects that a compiler made of them, for tests of all that
// reads and runs objects. testdata/build.sh made them, with clang 19 for -mcpu=v3.
package objtest

import (
	"embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed testdata/*.o
var objects embed.FS

// Names returns the names of all objects, in order, such as "count".
func Names() []string {
	entries, err := objects.ReadDir("testdata")
	if err != nil {
		panic(err) // they are part of the package
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".o"))
	}
	return names
}

// Object returns an object as it is committed.
func Object(t testing.TB, name string) []byte {
	t.Helper()
	data, err := objects.ReadFile("testdata/" + name + ".o")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Compilers returns those that are there, of clang-14 and clang-19.
func Compilers() []string {
	var found []string
	for _, cc := range []string{"clang-14", "clang-19"} {
		if _, err := exec.LookPath(cc); err == nil {
			found = append(found, cc)
		}
	}
	return found
}

// Sources returns the path of the folder of the sources as seen from the test's package, which is up folders
// below the module's.
func Sources(up int) string {
	return filepath.Join(strings.Repeat("../", up), "internal/objtest/testdata")
}

// Compile compiles a source file, and skips the test where the compiler or the headers of libbpf are missing.
func Compile(t testing.TB, cc, source string, args ...string) []byte {
	t.Helper()
	if _, err := os.Stat("/usr/include/bpf/bpf_helpers.h"); err != nil {
		t.Skip("the headers of libbpf are not installed")
	}
	if _, err := exec.LookPath(cc); err != nil {
		t.Skip(err)
	}
	out := filepath.Join(t.TempDir(), "out.o")
	include, _ := filepath.Glob("/usr/include/*-linux-gnu")
	args = append([]string{"-O2", "-w"}, args...)
	for _, dir := range include {
		args = append(args, "-I"+dir)
	}
	args = append(args, "-c", source, "-o", out)
	if text, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", cc, strings.Join(args, " "), err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

package execmem

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// perfFile makes a directory for temporary files and returns the map's path there.
func perfFile(t *testing.T) string {
	t.Setenv("TMPDIR", t.TempDir())
	return filepath.Join(os.TempDir(), fmt.Sprintf("perf-%d.map", os.Getpid()))
}

func TestPerfMap(t *testing.T) {
	tests := []struct {
		addr uintptr
		size int
		name string
		want string
	}{
		{0x7f001000, 300, "port80", "7f001000 12c port80"},
		{0xabcdef00, 1, "two words", "abcdef00 1 two words"},
		{0x1000, 16, "a\nb 7f000000 10 c", "1000 10 a_b 7f000000 10 c"},
		{0x1000, 16, "\r\n\t\x00\x1b[31m\x7f", "1000 10 _____[31m_"},
		{0x1000, 16, "bad\xffbyte, line\u2028, back\u202ewards", "1000 10 bad\ufffdbyte, line_, back_wards"},
		{0x1000, 16, "größe", "1000 10 größe"},
		{0x1000, 16, "", "1000 10 ?"},
	}
	path := perfFile(t)
	defer syscall.Umask(syscall.Umask(0))
	var want strings.Builder
	for _, test := range tests {
		if err := PerfMap(test.addr, test.size, test.name); err != nil {
			t.Fatalf("%q: %v", test.name, err)
		}
		want.WriteString(test.want + "\n")
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want.String() {
		t.Errorf("the map is\n%s%v\nexpected\n%s", got, err, &want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestPerfMapErrors(t *testing.T) {
	path := perfFile(t)
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("untouched"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, -1} {
		if err := PerfMap(0x1000, size, "x"); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a map of nothing: %v", err)
	}
	tests := []struct {
		name string
		make func() error
		want string
	}{
		{"symbolic link", func() error { return os.Symlink(other, path) }, "too many levels of symbolic links"},
		{"dangling link", func() error { return os.Symlink(other+"2", path) }, "too many levels of symbolic links"},
		{"hard link", func() error { return os.Link(other, path) }, "is not a plain file of user"},
		{"pipe", func() error { return syscall.Mkfifo(path, 0o644) }, "no such device or address"},
		{"directory", func() error { return os.Mkdir(path, 0o755) }, "is a directory"},
	}
	for _, test := range tests {
		if err := test.make(); err != nil {
			t.Fatal(err)
		}
		err := PerfMap(0x1000, 16, "x")
		if err == nil || !strings.HasPrefix(err.Error(), "perf map: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, expected %s", test.name, err, test.want)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(other); string(got) != "untouched" {
		t.Errorf("the linked file is %q, %v", got, err)
	}
	t.Setenv("TMPDIR", filepath.Join(os.TempDir(), "absent"))
	if err := PerfMap(0x1000, 16, "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}

func TestPerfMapOthersFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make other users' files")
	}
	path := perfFile(t)
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if err := PerfMap(0x1000, 16, "x"); err == nil || !strings.Contains(err.Error(), "is not a plain file of user 0") {
		t.Error(err)
	}
}

func TestPerfMapConcurrent(t *testing.T) {
	path := perfFile(t)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				if err := PerfMap(uintptr(0x1000*(i+1)), 16, fmt.Sprintf("writer%d", w)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%v a line", time.Since(start)/400)
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
	seen := map[string]bool{}
	for _, line := range lines {
		seen[line] = true
	}
	if len(lines) != 400 || len(seen) != 400 {
		t.Errorf("%d lines, %d of them different, expected 400", len(lines), len(seen))
	}
}

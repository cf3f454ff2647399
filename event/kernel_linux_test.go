package event

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const tracefs = "/sys/kernel/tracing"

// instance is a trace buffer of the test's own, for events of its own thread.
type instance struct {
	t     *testing.T
	dir   string
	event string
}

func newInstance(t *testing.T, name, event string) *instance {
	t.Helper()
	i := &instance{t, filepath.Join(tracefs, "instances", fmt.Sprintf("skep_test_%d_%s", os.Getpid(), name)), event}
	if err := os.Mkdir(i.dir, 0o700); err != nil {
		t.Skipf("tracefs is not permitted: %v", err)
	}
	t.Cleanup(func() {
		i.set("events/"+event+"/enable", "0")
		if err := os.Remove(i.dir); err != nil {
			t.Error(err)
		}
	})
	i.set("set_event_pid", fmt.Sprint(unix.Gettid()))
	return i
}

func (i *instance) set(file, text string) error {
	return os.WriteFile(filepath.Join(i.dir, file), []byte(text), 0)
}

// read returns the records of the event that there are, and takes them away.
func (i *instance) read(id uint16) (out [][]byte) {
	i.t.Helper()
	files, _ := filepath.Glob(filepath.Join(i.dir, "per_cpu/cpu*/trace_pipe_raw"))
	for _, name := range files {
		fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			i.t.Fatal(err)
		}
		for {
			page := make([]byte, os.Getpagesize())
			n, err := unix.Read(fd, page)
			if n <= 0 || err != nil {
				break
			}
			err = ReadPage(page[:n], func(r Record) {
				if binary.LittleEndian.Uint16(r.Data) == id {
					out = append(out, r.Data)
				}
			})
			if err != nil {
				i.t.Fatal(err)
			}
		}
		unix.Close(fd)
	}
	return out
}

// kernelTest compares filters with the kernel's on records of an event that make causes: of two buffers, one has all
// records and the other those that the kernel's filter lets through.
func kernelTest(t *testing.T, event string, filters []string, cause func(r *rand.Rand)) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	text, err := os.ReadFile(filepath.Join(tracefs, "events", event, "format"))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	f, err := ParseFormat(string(text))
	if err != nil {
		t.Fatal(err)
	}
	all, some := newInstance(t, "all", event), newInstance(t, "some", event)
	all.set("events/"+event+"/enable", "1")
	r := rand.New(rand.NewPCG(4, 4))
	seen, taken := 0, 0
	for _, text := range filters {
		e, err := ParseFilter(f.Schema, text, nil)
		var p *Predicate
		if err == nil {
			p, err = Compile(f.Schema, e, nil)
		}
		if kernel := some.set("events/"+event+"/filter", text); (kernel == nil) != (err == nil) {
			t.Errorf("%s: error %v, the kernel's %v", text, err, kernel)
			some.set("events/"+event+"/filter", "0")
			continue
		}
		if err != nil {
			continue
		}
		all.read(f.ID)
		if err := some.set("events/"+event+"/enable", "1"); err != nil {
			t.Fatal(err)
		}
		for range 40 {
			cause(r)
		}
		some.set("events/"+event+"/enable", "0")
		var want [][]byte
		records := all.read(f.ID)
		for _, rec := range records {
			if p.Match(rec) {
				want = append(want, rec)
			}
			if got, ref := p.Eval(rec), evaluate(f.Schema, p.root, rec); got != ref {
				t.Errorf("%s: %v, in Go %v, of %x", text, got, ref, rec)
			}
		}
		got := some.read(f.ID)
		seen, taken = seen+len(records), taken+len(got)
		// What has the same values came of the same call.
		same := func(a, b []byte) bool {
			for i := range f.Fields {
				x, _ := (&evaluator{f.Schema, a}).field(&f.Fields[i])
				y, _ := (&evaluator{f.Schema, b}).field(&f.Fields[i])
				if x != y && !strings.HasPrefix(f.Fields[i].Name, "common_") {
					return false
				}
			}
			return true
		}
		if strings.Contains(text, "~ \"*") && strings.Contains(text, "*\"") && strings.Contains(text, "newcomm") {
			// What is behind a text counts in the kernel, and is whatever was in either buffer before.
			for _, rec := range got {
				if !p.Match(rec) {
					t.Errorf("%s: the kernel lets %x through", text, rec)
				}
			}
			continue
		}
		if !slices.EqualFunc(got, want, same) {
			t.Errorf("%s: the kernel lets %d of %d through, not %d", text, len(got), len(records), len(want))
		}
	}
	t.Logf("%d records, %d taken", seen, taken)
	if seen == 0 {
		t.Error("there were no records")
	}
}

var threadNames = []string{"nginx", "nginx: worker", "nginx-1", "sshd", "bash", "a", "", "abcdefghijklmno", "123", "1*", "x[y", "[ab]", "worker/0:1", "Worker", "!no", "kworker", "x*y"}

// TestKernelTexts renames the thread.
func TestKernelTexts(t *testing.T) {
	filters := []string{
		`newcomm == "nginx"`, `newcomm != "nginx"`, `newcomm ~ "nginx*"`, `newcomm ~ "*worker*"`, `newcomm ~ "*sh*"`, `newcomm ~ "*d"`, `newcomm ~ "?"`,
		`newcomm ~ "[a-m]*"`, `newcomm ~ "[!a-m]*"`, `newcomm ~ "1*"`, `newcomm ~ "!nginx*"`, `newcomm ~ "!*"`, `newcomm == "!no"`, `newcomm ~ "x\[y"`, `newcomm ~ "x[y"`,
		`newcomm ~ "n*x*w*"`, `newcomm ~ "*"`, `newcomm ~ "**"`, `newcomm == ""`, `newcomm == "abcdefghijklmno"`, `newcomm == "abcdefghijklmnopqrstu"`, `newcomm ~ "abcdefghijklmno*"`, `newcomm ~ "abcdefghijklmnopq*"`,
		`newcomm == 'bash' || newcomm == "sshd"`, `!(newcomm == "bash")`, `newcomm == "bash" && oldcomm != "bash" || newcomm ~ "w*" && !(pid == 0)`,
		`oldcomm ~ "*x*" && newcomm ~ "*x*"`, `newcomm == nginx`, `newcomm > "a"`, `newcomm & 1`, `pid ~ "1"`, `newcomm == "a`, `nothere == 1`, `(pid == 1`, `pid == 1)`, `pid ==`, `pid`,
		`oom_score_adj == 0`, `oom_score_adj < 1000`, `oom_score_adj == 65536`, `oom_score_adj > -1`, `oom_score_adj & 0xffff0000`, `newcomm ~ ""`, `newcomm ~ "a\"`, `newcomm ~ "*[ab]"`, `newcomm ~ "*[0-9]"`,
	}
	kernelTest(t, "task/task_rename", filters, func(r *rand.Rand) {
		name := append([]byte(threadNames[r.IntN(len(threadNames))]), 0)
		if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
			t.Error(err)
		}
	})
}

// TestKernelNumbers seeks in a file that is not open.
func TestKernelNumbers(t *testing.T) {
	values := []string{"0", "1", "-1", "7", "0x10", "010", "255", "256", "4096", "0xffffffff", "0x7fffffffffffffff", "-9223372036854775808", "9223372036854775808", "0xffffffffffffffff", "18446744073709551616", "abc", "1x", "08"}
	var filters []string
	for _, op := range []string{"==", "!=", "<", "<=", ">", ">=", "&"} {
		for i, v := range values {
			filters = append(filters, fmt.Sprintf("%s %s %s", []string{"offset", "fd", "whence"}[i%3], op, v), "offset"+op+v)
		}
	}
	filters = append(filters, "fd & 1 && offset > 5 || whence == 2", "!(fd & 1) && !(offset > 5 || whence == 2)", "fd == CPUS{0-1}", "fd & CPUS{0-1}", "fd & CPUS{1}", "fd == CPUS{1}", "fd != CPUS{1}", "common_pid > 0 && offset < 100")
	offsets := []int64{0, 1, -1, 5, 7, 16, 8, 255, 256, 4096, 1<<32 - 1, 1<<63 - 1, -1 << 63, 100}
	kernelTest(t, "syscalls/sys_enter_lseek", filters, func(r *rand.Rand) {
		_, _, _ = unix.Syscall(unix.SYS_LSEEK, uintptr(offsets[r.IntN(len(offsets))]), uintptr(offsets[r.IntN(len(offsets))]), uintptr(r.IntN(5)))
	})
}

// probed is where the test's own event happens: its arguments are in registers.
//
//go:noinline
func probed(text *byte, n int64) int64 {
	return n ^ int64(*text)
}

// fileOffset returns where in the test's own executable the code at an address is.
func fileOffset(addr uint64) (uint64, error) {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr < p.Vaddr+p.Filesz {
			return addr - p.Vaddr + p.Off, nil
		}
	}
	return 0, fmt.Errorf("the executable has no address %#x", addr)
}

// TestKernelProbe has a probe of its own in the test itself, with numbers of all sizes and dynamic texts, where the
// kernel has probes.
func TestKernelProbe(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the probe knows the registers of amd64")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	at, err := fileOffset(uint64(reflect.ValueOf(probed).Pointer()))
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("skep_test_%d", os.Getpid())
	probe := fmt.Sprintf("p:%s/probed %s:%#x text=+0(%%ax):string s8=%%bx:s8 u8=%%bx:u8 s16=%%bx:s16 u16=%%bx:u16 s32=%%bx:s32 u32=%%bx:u32 s64=%%bx:s64 u64=%%bx:u64", name, exe, at)
	f, err := os.OpenFile(filepath.Join(tracefs, "uprobe_events"), os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString(probe)
		defer f.Close()
	}
	if err != nil {
		t.Skipf("the kernel lets the test have no probe: %v", err)
	}
	defer func() {
		if _, err := f.WriteString("-:" + name + "/probed"); err != nil {
			t.Error(err)
		}
	}()
	filters := []string{`text == "/nowhere/a"`, `text ~ "/nowhere/*"`, `text ~ "*.so"`, `text ~ "*lib*"`, `text == ""`, `text ~ "/n*e/[ab]"`, `text != "/nowhere/a"`, `text ~ "*/a"`, `text ~ "!*.so"`, `text ~ "?nowhere*"`}
	for _, field := range []string{"s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64"} {
		for _, rest := range []string{"== 255", "== -1", "== 256", "< 0", "< 100", ">= 128", "> 65535", "& 128", "& 256", "!= 65791", "<= -100", "== 0xffffffffffffffff"} {
			filters = append(filters, field+" "+rest)
		}
	}
	texts := []string{"/nowhere/a", "/nowhere/b", "/nowhere/lib/x.so", "/nowhere/library", "/nowhere/.so", "", strings.Repeat("/nowhere", 20)}
	numbers := []int64{0, 1, -1, 127, 128, 255, 256, 511, -100, -128, 32767, 65535, 65536, 65791, 1<<31 - 1, -1 << 31, 1<<63 - 1, -1 << 63}
	t.Run("filters", func(t *testing.T) {
		kernelTest(t, name+"/probed", filters, func(r *rand.Rand) {
			text := append([]byte(texts[r.IntN(len(texts))]), 0)
			probed(&text[0], numbers[r.IntN(len(numbers))])
		})
	})
}

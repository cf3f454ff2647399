// Implements the comparison with the kernel of programs in the styles that are met in the field, however they are compiled.

package objtest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/objtest"
)

// ways are how programs are compiled.
var ways = []struct{ name, cc, args string }{
	{"v1 -O2", "clang-19", "-mcpu=v1 -O2"},
	{"v2 -Os", "clang-19", "-mcpu=v2 -Os"},
	{"v3 -O1", "clang-19", "-mcpu=v3 -O1"},
	{"v3 -O2", "clang-14", "-mcpu=v3 -O2"},
	{"v4 -O2", "clang-19", "-mcpu=v4 -O2"},
	{"v4 -Os", "clang-19", "-mcpu=v4 -Os"},
}

func styles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(objtest.Sources(2), "style/*.c"))
	if err != nil || len(files) == 0 {
		t.Fatal("no sources", err)
	}
	return files
}

// comparedStyle reports whether the kernel runs the programs of a source, as the end of its name says.
func comparedStyle(file string) bool {
	for _, end := range []string{"_tc.c", "_xdp.c", "_socket.c"} {
		if strings.HasSuffix(file, end) {
			return true
		}
	}
	return false
}

// TestStyles loads every source, compiled in every way, and compares what the kernel runs.
func TestStyles(t *testing.T) {
	for i, way := range ways {
		if testing.Short() && i%3 != 2 {
			continue
		}
		for _, file := range styles(t) {
			name := strings.TrimSuffix(filepath.Base(file), ".c")
			t.Run(way.name+"/"+name, func(t *testing.T) {
				if text, err := os.ReadFile(file); err != nil {
					t.Fatal(err)
				} else if way.name < "v3" && bytes.Contains(text, []byte("__sync_fetch_and_xor")) || way.cc == "clang-14" && bytes.Contains(text, []byte("clang 19")) {
					t.Skip("this needs a newer processor or compiler")
				}
				data := objtest.Compile(t, way.cc, file, append(strings.Fields(way.args), "-g", "-target", "bpfel")...)
				if comparedStyle(file) {
					differential(t, []subject{{name: name, data: data, compiled: true, preset: stylePresets[name]}})
					return
				}
				loadStyle(t, data, strings.HasSuffix(file, "_syscall.c"))
			})
		}
	}
}

// loadStyle wants all programs loaded, and proved unless the verifier says that it does not know something. Those that
// take nothing are run, and the kernel's must return the same.
func loadStyle(t *testing.T, data []byte, run bool) {
	t.Helper()
	c, err := elf.Load(data, nil)
	if errors.Is(err, elf.ErrNoTypes) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	env := &helper.Env{}
	if n, err := ebpf.PossibleCPU(); err == nil {
		env.CPUs = uint32(n)
	}
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		coll, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: skep.Options{Engine: engine, Env: env}})
		if err != nil {
			t.Fatal(err)
		}
		if run {
			compareCalls(t, coll, data)
		}
	}
}

// compareCalls runs programs that take nothing, here and in the kernel.
func compareCalls(t *testing.T, coll *skep.Collection, data []byte) {
	t.Helper()
	cs, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	inKernel, err := ebpf.NewCollection(cs)
	if err != nil {
		t.Skipf("the kernel does not take it: %v", err)
	}
	defer inKernel.Close()
	for name, p := range inKernel.Programs {
		want, err := p.Run(&ebpf.RunOptions{})
		if err != nil {
			t.Skip(err)
		}
		if got, err := coll.Programs[name].Run(nil); err != nil || got != want {
			t.Errorf("%s: %d, %v; the kernel's %d", name, int32(got), err, int32(want))
		}
	}
}

// numbers are 4-byte numbers after each other.
func numbers(list ...uint32) (b []byte) {
	for _, n := range list {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

var stylePresets = map[string]func(put func(m string, key, value any)){
	"policy_tc": func(put func(m string, key, value any)) {
		put("ipcache", append(numbers(64), 1, 0, 0, 0, 192, 0, 2, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), numbers(500, 0, 0))
		put("ipcache", append(numbers(48), 1, 0, 0, 0, 192, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), numbers(400, 0, 0))
		put("ipcache", append(numbers(32), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), numbers(2, 0, 0))
		for _, label := range []uint32{500, 2} {
			put("policies", append(numbers(label), 0, 0, 0, 0), make([]byte, 24))
		}
		deny := make([]byte, 24)
		deny[18] = 1
		put("policies", append(numbers(2), 53, 0, 17, 0), deny)
		put("services", []byte{0, 53}, []byte{10, 1, 2, 3, 31, 64, 0, 0})
		put("services", []byte{1, 187}, []byte{10, 1, 2, 4, 32, 251, 0, 0})
		put("services", []byte{0, 80}, []byte{10, 1, 2, 5, 31, 144, 0, 0})
	},
	"balancer_xdp": func(put func(m string, key, value any)) {
		vip := make([]byte, 20)
		for i, v := range [][]byte{{198, 51, 100, 7, 1, 187, 6}, {198, 51, 100, 7, 0, 80, 6}, {192, 0, 2, 53, 0, 53, 17}, {8, 8, 8, 8, 0, 53, 17}} {
			copy(vip, v[:4])
			copy(vip[16:], v[4:])
			put("vips", vip, numbers(uint32(i&1), uint32(i)))
		}
		for i := range uint32(4 * 4099) {
			put("rings", i, 1+i*7%9)
		}
		for i := range uint32(12) {
			put("reals", i, append(numbers(0x0a00000a+i<<24, 0, 0, 0), 0, 0, 0, 0))
		}
		put("ctl", uint32(0), []byte{2, 3, 4, 5, 6, 7, 0, 0})
	},
	"tutorial_xdp": func(put func(m string, key, value any)) {
		put("macs", []byte{2, 0, 0, 0, 0, 1}, []byte{9, 9, 9, 9, 9, 9})
	},
	"modern_tc": func(put func(m string, key, value any)) {
		for i := range uint32(16) {
			put("cells", i, uint64(i*i))
		}
	},
}

// TestOwnObjects runs programs whose objects are in a list and a tree at once. The results are those of Linux 6.18, into
// which libbpf loads the object; cilium/ebpf cannot.
func TestOwnObjects(t *testing.T) {
	data := objtest.Compile(t, "clang-19", filepath.Join(objtest.Sources(2), "style/owned_own.c"), "-mcpu=v3", "-g", "-target", "bpfel")
	c, err := elf.Load(data, &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Fatal(err)
	}
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		coll, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []struct {
			name string
			want uint32
		}{{"shared", 103250520}, {"search", 600}} {
			if got, err := coll.Programs[p.name].Run(nil); err != nil || got != p.want {
				t.Errorf("%v: %s: %d, %v, want %d", engine, p.name, got, err, p.want)
			}
		}
	}
}

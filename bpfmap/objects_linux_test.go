// Implements the comparison with the kernel of maps that hold objects.

package bpfmap_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

// pair is an object here and what stands for it in the kernel's map.
type pair struct{ local, kernel any }

func programs(t *testing.T) (out []pair) {
	for range 3 {
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SocketFilter, License: "GPL", Instructions: asm.Instructions{
			asm.Mov.Imm(asm.R0, 0), asm.Return()}})
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { p.Close() })
		out = append(out, pair{&struct{ n int }{len(out)}, p})
	}
	return out
}

// innerMaps are some that fit the definition and some that do not.
func innerMaps(t *testing.T, like spec.Map) (out []pair) {
	wrong := like
	wrong.MaxEntries++
	larger := like
	larger.ValueSize += 4
	for _, def := range []spec.Map{like, like, wrong, larger, {Type: spec.Queue, ValueSize: 4, MaxEntries: 1}} {
		m, err := bpfmap.New(&def, nil)
		if err != nil {
			t.Fatal(err)
		}
		k, err := maptest.NewKernel(t, &def)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, pair{m, k.Map})
	}
	return out
}

func files(t *testing.T, open func() (*os.File, error)) (out []pair) {
	for range 3 {
		f, err := open()
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { f.Close() })
		out = append(out, pair{f, uint32(f.Fd())})
	}
	return out
}

// openCGroup opens a cgroup of the second version.
func openCGroup() (*os.File, error) {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var s unix.Statfs_t
		if unix.Statfs(dir, &s) == nil && s.Type == unix.CGROUP2_SUPER_MAGIC {
			return os.Open(dir)
		}
	}
	return nil, os.ErrNotExist
}

func events(t *testing.T) (out []pair) {
	for range 2 {
		fd, err := unix.PerfEventOpen(&unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_BPF_OUTPUT,
			Sample_type: unix.PERF_SAMPLE_RAW}, -1, 0, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		out = append(out, pair{bpfmap.NewPerfBuffer(0, 4096), uint32(fd)})
	}
	return out
}

// sockets are connections over loopback.
func sockets(t *testing.T) (out []pair) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { l.Close() })
	for range 3 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { c.Close() })
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		v := make([]byte, 8)
		binary.NativeEndian.PutUint32(v, uint32(f.Fd()))
		out = append(out, pair{c, v})
	}
	return out
}

// listeners are sockets that share a port.
func listeners(t *testing.T) (out []pair) {
	reuse := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		if e := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) }); e != nil {
			err = e
		}
		return err
	}}
	addr := "127.0.0.1:0"
	for range 4 {
		c, err := reuse.ListenPacket(t.Context(), "udp4", addr)
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { c.Close() })
		addr = c.LocalAddr().String()
		f, err := c.(*net.UDPConn).File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		v := make([]byte, 8)
		binary.NativeEndian.PutUint32(v, uint32(f.Fd()))
		out = append(out, pair{c, v})
	}
	return out
}

func shortListeners(t *testing.T) []pair {
	out := listeners(t)
	for i := range out {
		out[i].kernel = out[i].kernel.([]byte)[:4]
	}
	return out
}

// TestKernelObjects compares maps of objects: what is accepted, what is there, which one.
func TestKernelObjects(t *testing.T) {
	in := spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 4, MaxEntries: 3}
	free := in
	free.Flags = 1 << 12
	hash := spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 3}
	cgroup := func(t *testing.T) []pair {
		return files(t, openCGroup)
	}
	withInner := func(in spec.Map) func(*testing.T) []pair {
		return func(t *testing.T) []pair { return innerMaps(t, in) }
	}
	for _, c := range []struct {
		name    string
		def     spec.Map
		objects func(*testing.T) []pair
	}{
		{"programs", spec.Map{Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 4}, programs},
		{"arrays", spec.Map{Type: spec.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 4, Inner: &in}, withInner(in)},
		{"arrays of any size", spec.Map{Type: spec.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 4, Inner: &free}, withInner(free)},
		{"hashes", spec.Map{Type: spec.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 4, Inner: &hash}, withInner(hash)},
		{"hash of arrays", spec.Map{Type: spec.HashOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 3, Inner: &in}, withInner(in)},
		{"cgroups", spec.Map{Type: spec.CGroupArray, KeySize: 4, ValueSize: 4, MaxEntries: 4}, cgroup},
		{"events", spec.Map{Type: spec.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}, events},
		{"sockets", spec.Map{Type: spec.Sockmap, KeySize: 4, ValueSize: 8, MaxEntries: 4}, sockets},
		{"listeners", spec.Map{Type: spec.ReuseportSockArray, KeySize: 4, ValueSize: 8, MaxEntries: 4}, listeners},
		{"listeners without a number", spec.Map{Type: spec.ReuseportSockArray, KeySize: 4, ValueSize: 4, MaxEntries: 4}, shortListeners},
		{"sockets by key", spec.Map{Type: spec.Sockhash, KeySize: 4, ValueSize: 8, MaxEntries: 3}, sockets},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, err := maptest.NewKernel(t, &c.def)
			if err != nil {
				t.Fatal(err)
			}
			m, err := bpfmap.New(&c.def, nil)
			if err != nil {
				t.Fatal(err)
			}
			compareObjects(t, m, k, c.objects(t))
		})
	}
}

func compareObjects(t *testing.T, m *bpfmap.Local, k *bpfmap.Kernel, objects []pair) {
	r := rand.New(rand.NewPCG(3, 3))
	same := map[any]string{} // the numbers that the two sides have for an object, which must stay a pair
	for step := range 400 {
		key := binary.LittleEndian.AppendUint32(nil, uint32(r.IntN(6)))
		o := objects[r.IntN(len(objects))]
		flags := ebpf.MapUpdateFlags([]int{0, 0, 0, 1, 2, 3}[r.IntN(6)])
		var got, want error
		var what string
		switch r.IntN(5) {
		case 0, 1:
			what = fmt.Sprintf("update %x flags %d", key, flags)
			got, want = m.Update(key, o.local, flags), k.Update(key, o.kernel, flags)
		case 2:
			what = fmt.Sprintf("delete %x", key)
			got, want = m.Delete(key), k.Delete(key)
		case 3:
			what = fmt.Sprintf("lookup %x", key)
			a, b := make([]byte, m.ValueSize()), make([]byte, m.ValueSize())
			got, want = m.Lookup(key, a), k.Lookup(key, b)
			if got == nil && want == nil {
				if other, ok := same[string(a)]; ok && other != string(b) {
					t.Fatalf("step %d: %s gives another object than the kernel's", step, what)
				}
			}
			if held, ok := m.Object(key); ok && got == nil {
				if _, known := same[held]; !known {
					same[held] = string(b)
				} else if same[held] != string(b) {
					t.Fatalf("step %d: %s gives another object than the kernel's", step, what)
				}
			}
		case 4:
			what = fmt.Sprintf("lookup and delete %x", key)
			got, want = m.LookupAndDelete(key, make([]byte, m.ValueSize())), k.LookupAndDelete(key, make([]byte, m.ValueSize()))
		}
		if maptest.Errno(got) != maptest.Errno(want) {
			t.Fatalf("step %d: %s: got %v, want %v", step, what, got, want)
		}
	}
}

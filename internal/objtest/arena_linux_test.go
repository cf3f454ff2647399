package objtest_test

import (
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// kernelMaps makes the kernel's maps of a collection, with their contents. Pages of the arena are mapped where it says.
func kernelMaps(t *testing.T, c *spec.Collection) (map[string]int, map[string]*ebpf.Map) {
	t.Helper()
	fds, maps := map[string]int{}, map[string]*ebpf.Map{}
	for i := range c.Maps {
		def := &c.Maps[i]
		m, err := ebpf.NewMap(maptest.KernelSpec(def))
		if err != nil {
			t.Skipf("the kernel does not make map %s: %v", def.Name, err)
		}
		t.Cleanup(func() { m.Close() })
		fds[def.Name], maps[def.Name] = m.FD(), m
		if def.Type != spec.Arena {
			for _, e := range def.Contents {
				if err := m.Put(e.Key, e.Value); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		size := uintptr(def.MaxEntries) * 4096
		at, _, errno := unix.Syscall6(unix.SYS_MMAP, uintptr(def.Extra), size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED, uintptr(m.FD()), 0)
		if errno != 0 {
			t.Skipf("the arena cannot be mapped: %v", errno)
		}
		t.Cleanup(func() { unix.Syscall(unix.SYS_MUNMAP, at, size, 0) })
		for _, e := range def.Contents {
			copy(unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), size), e.Value)
		}
	}
	return fds, maps
}

// TestArenaKernel wants of the kernel what TestArena wants.
func TestArenaKernel(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	c, err := elf.Load(objtest.Object(t, "arena"), &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Fatal(err)
	}
	fds, maps := kernelMaps(t, c)
	programs := map[string]*kernel.Program{}
	for i := range c.Programs {
		p, err := kernel.Load(&c.Programs[i], c.Maps, &kernel.Options{Log: true, HelperID: helper.ID, Maps: fds})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		programs[c.Programs[i].Name] = p
	}
	length := 0
	for _, v := range c.Variables {
		if v.Name == "length" {
			length = int(v.Offset)
		}
	}
	data, err := maps[".data"].LookupBytes(uint32(0))
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range arenaSteps {
		data[length], data[length+1] = byte(s.length), byte(s.length>>8)
		if err := maps[".data"].Put(uint32(0), data); err != nil {
			t.Fatal(err)
		}
		r, err := programs[s.program].Run(nil, nil, 1)
		if err != nil || r.Retval != s.want {
			t.Fatalf("step %d, %s(%d): %d, %v, want %d", i, s.program, s.length, int32(r.Retval), err, s.want)
		}
	}
}

// Implements the comparison of programs in the kernel (BPF_PROG_TEST_RUN) and here: verdicts, packets as they left
// them, and maps afterwards, on every engine.

package objtest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	local "github.com/skepbpf/skep/bpfmap/ringbuf"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// subject is an object whose programs are compared.
type subject struct {
	name     string
	data     []byte
	compiled bool // here and now: the kernel may refuse it
	preset   func(put func(m string, key, value any))
}

func subjects(t *testing.T) []subject {
	var list []subject
	for _, name := range []string{"arith", "calls", "count", "events", "fields", "globals", "lpm", "nested", "socket", "tc", "xdp_rewrite"} {
		list = append(list, subject{name: name, data: objtest.Object(t, name), preset: presets[name]})
	}
	for _, name := range []string{"firewall", "lb", "dns", "sockfilter"} {
		data, err := os.ReadFile("../../examples/" + name + "/" + name + ".o")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, subject{name: name, data: data, preset: presets[name]})
	}
	return list
}

// presets put something into maps first.
var presets = map[string]func(put func(m string, key, value any)){
	"lpm": func(put func(m string, key, value any)) {
		for i, k := range []string{"\x08\x00\x00\x00\xc0\x00\x00\x00", "\x18\x00\x00\x00\xc0\x00\x02\x00", "\x20\x00\x00\x00\xc0\x00\x02\x0a", "\x00\x00\x00\x00\x00\x00\x00\x00"} {
			put("routes4", []byte(k), uint32(i))
		}
		put("routes6", append([]byte{32, 0, 0, 0, 0x20, 1, 0xd, 0xb8}, make([]byte, 12)...), uint32(1))
		put("routes6", append([]byte{48, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 1}, make([]byte, 10)...), uint32(3))
	},
	"firewall": func(put func(m string, key, value any)) {
		put("blocked4", []byte("\x18\x00\x00\x00\xcb\x00\x71\x00"), make([]byte, 16))
		put("blocked6", append([]byte{48, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 2}, make([]byte, 10)...), make([]byte, 16))
	},
	"lb": func(put func(m string, key, value any)) {
		put("services", []byte{198, 51, 100, 7, 1, 187, 6, 0}, uint32(1)) // port 443, TCP
		for i := range uint32(1021) {
			put("table", 1021+i, i*7%5)
		}
		for i := range byte(5) {
			b := make([]byte, 32)
			copy(b, []byte{10, 0, 0, i, 2, 0, 0, 0, 9, i})
			put("backends", uint32(i), b)
		}
	},
	"dns": func(put func(m string, key, value any)) {
		key := make([]byte, 68)
		key[0] = 8 * 8
		copy(key[4:], "elpmaxe\x07")
		put("names", key, uint64(0))
	},
}

// differ lists programs that cannot be compared, with the reason.
var differ = map[string]string{
	"relative": "the kernel's test run has no link layer header ahead of the network header for socket filters",
	"redirect": "the kernel's test run wants devices in the map",
	"timer":    "it fires at another time",
}

func TestDifferential(t *testing.T) { differential(t, subjects(t)) }

// TestDifferentialCompiled compares what the compilers here make of the sources, for each version of the instruction set.
func TestDifferentialCompiled(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a while")
	}
	for _, cc := range objtest.Compilers() {
		for _, cpu := range []string{"v1", "v2", "v3", "v4"} {
			if cc == "clang-14" && cpu == "v4" {
				continue
			}
			t.Run(cc+"/"+cpu, func(t *testing.T) {
				list := subjects(t)
				for i := range list {
					source := filepath.Join(objtest.Sources(2), list[i].name+".c")
					if _, err := os.Stat(source); err != nil {
						source = filepath.Join("../../examples", list[i].name, list[i].name+".c")
					}
					list[i].compiled = true
					list[i].data = objtest.Compile(t, cc, source, "-g", "-target", "bpfel", "-mcpu="+cpu)
				}
				differential(t, list)
			})
		}
	}
}

func differential(t *testing.T, list []subject) {
	packets := choose(t)
	for _, s := range list {
		cs, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(s.data))
		if err != nil {
			t.Fatal(s.name, err)
		}
		for _, name := range sortedNames(cs.Programs) {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				if why := differ[name]; why != "" {
					t.Skip(why)
				}
				kernel := runKernel(t, &s, name, packets)
				for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
					compare(t, engine.String(), kernel, runSkep(t, collectionOf(t, &s, engine, true), &s, name, packets, kernel))
				}
				compare(t, "from cilium/ebpf", kernel, runSkep(t, collectionOf(t, &s, skep.EngineAuto, false), &s, name, packets, kernel))
			})
		}
	}
}

func sortedNames(m map[string]*ebpf.ProgramSpec) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// choose takes packets of the capture, some of them cut.
func choose(t *testing.T) (packets [][]byte) {
	data, err := os.ReadFile("../../examples/traffic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		p, _, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return packets
		} else if err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 || i < 20 {
			packets = append(packets, p)
		}
		if i%40 == 0 && len(p) > 20 {
			packets = append(packets, p[:14+i%len(p)*(len(p)-14)/len(p)])
		}
	}
}

// outcome is what running a program over the packets gave.
type outcome struct {
	typ      ebpf.ProgramType
	refused  []int // packets that the kernel does not take
	verdicts []uint32
	packets  [][]byte
	maps     map[string]map[string]string // by map and key
}

// input is a packet as programs of the type get it, and whether the bytes they leave can be compared.
func (o *outcome) input(p []byte, kernel bool) (in []byte, out bool) {
	switch o.typ {
	case ebpf.SocketFilter:
		if kernel { // it takes the link layer header away
			return append(bytes.Clone(p[:14]), p...), false
		}
		return p, false
	case ebpf.CGroupSKB:
		if !kernel {
			return p[14:], false
		}
		return p, false
	}
	return p, true
}

func runKernel(t *testing.T, s *subject, name string, packets [][]byte) *outcome {
	cs, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(s.data))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ebpf.NewCollection(cs)
	var rejected *ebpf.VerifierError
	if errors.As(err, &rejected) && s.compiled {
		t.Skip("the kernel does not take what this compiler makes of it: ", rejected)
	} else if errors.As(err, &rejected) {
		t.Fatalf("%+v", rejected)
	} else if err != nil {
		t.Skip("the kernel: ", err)
	}
	defer c.Close()
	if s.preset != nil {
		s.preset(func(m string, key, value any) {
			if err := c.Maps[m].Put(key, value); err != nil {
				t.Fatal(m, err)
			}
		})
	}
	o := &outcome{typ: cs.Programs[name].Type, maps: map[string]map[string]string{}}
	for i, p := range packets {
		in, _ := o.input(p, true)
		opts := ebpf.RunOptions{Data: in, DataOut: make([]byte, len(in)+512)}
		verdict, err := c.Programs[name].Run(&opts)
		if errors.Is(err, syscall.EINVAL) && o.typ != ebpf.XDP && len(p) < 54 { // it wants whole IP headers
			o.refused = append(o.refused, i)
			opts.DataOut = nil
		} else if err != nil {
			t.Fatalf("packet %d of %d bytes: the kernel: %v", i, len(p), err)
		}
		o.verdicts = append(o.verdicts, verdict)
		o.packets = append(o.packets, opts.DataOut)
	}
	for name, m := range c.Maps {
		it := m.Iterate()
		if spec.MapType(m.Type()) == spec.RingBuf {
			r, err := ringbuf.NewReader(m)
			if err != nil {
				t.Fatal(err)
			}
			r.SetDeadline(time.Now())
			o.maps[name] = drain(t, func() ([]byte, error) { rec, err := r.Read(); return rec.RawSample, err })
			r.Close()
			continue
		}
		if spec.MapType(m.Type()) == spec.Queue || spec.MapType(m.Type()) == spec.Stack {
			o.maps[name] = drain(t, func() (v []byte, err error) { err = m.LookupAndDelete(nil, &v); return v, err })
			continue
		}
		if !comparable(spec.MapType(m.Type())) {
			continue
		}
		var key []byte
		got := map[string]string{}
		if cpus, err := ebpf.PossibleCPU(); err == nil && strings.HasPrefix(spec.MapType(m.Type()).String(), "percpu") {
			each := make([][]byte, cpus)
			for it.Next(&key, &each) {
				got[string(key)] = sum(each)
			}
		} else {
			var value []byte
			for it.Next(&key, &value) {
				got[string(key)] = string(value)
			}
		}
		if err := it.Err(); err != nil {
			t.Fatal(name, err)
		}
		o.maps[name] = got
	}
	return o
}

// comparable reports whether a map's elements can be listed and are the same in every run.
func comparable(t spec.MapType) bool {
	switch t {
	case spec.Array, spec.Hash, spec.PerCPUArray, spec.PerCPUHash, spec.LRUHash, spec.LPMTrie:
		return true
	}
	return false
}

// sum adds the copies of all processors, word by word.
func sum(each [][]byte) string {
	var out []byte
	for _, b := range each {
		if out == nil {
			out = make([]byte, (len(b)+7)/8*8)
		}
		for i := 0; i+4 <= len(b); i += 4 {
			binary.LittleEndian.PutUint32(out[i:], binary.LittleEndian.Uint32(out[i:])+binary.LittleEndian.Uint32(b[i:]))
		}
	}
	return string(out)
}

// collectionOf loads an object for an engine, by the project's own loader or that of cilium/ebpf.
func collectionOf(t *testing.T, s *subject, engine skep.Engine, own bool) *skep.Collection {
	opts := &skep.CollectionOptions{Programs: skep.Options{Engine: engine}}
	var c *skep.Collection
	if own {
		loaded, err := elf.Load(s.data, nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err = skep.NewCollectionWithOptions(loaded, opts)
		return checked(t, c, err)
	}
	cs, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(s.data))
	if err != nil {
		t.Fatal(err)
	}
	c, err = skep.NewCollectionWithOptions(cs, opts)
	return checked(t, c, err)
}

func checked(t *testing.T, c *skep.Collection, err error) *skep.Collection {
	if errors.Is(err, skep.ErrNotSupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	return c
}

func runSkep(t *testing.T, c *skep.Collection, s *subject, name string, packets [][]byte, like *outcome) *outcome {
	defer c.Close()
	if s.preset != nil {
		s.preset(func(m string, key, value any) {
			if err := c.Maps[m].Put(key, value); err != nil {
				t.Fatal(m, err)
			}
		})
	}
	o := &outcome{typ: like.typ, maps: map[string]map[string]string{}}
	for i, p := range packets {
		if slices.Contains(like.refused, i) {
			o.verdicts, o.packets = append(o.verdicts, 0), append(o.packets, nil)
			continue
		}
		in, _ := o.input(p, false)
		verdict, out, err := c.Programs[name].Test(in)
		if err != nil {
			t.Fatalf("packet %d of %d bytes: %v", i, len(p), err)
		}
		o.verdicts = append(o.verdicts, verdict)
		o.packets = append(o.packets, out)
	}
	for name, m := range c.Maps {
		if like.maps[name] != nil {
			o.maps[name] = contents(t, m)
		}
	}
	return o
}

// drain reads until there is nothing left.
func drain(t *testing.T, read func() ([]byte, error)) map[string]string {
	t.Helper()
	got := map[string]string{}
	for i := 0; ; i++ {
		b, err := read()
		if errors.Is(err, ebpf.ErrKeyNotExist) || errors.Is(err, os.ErrDeadlineExceeded) {
			return got
		} else if err != nil {
			t.Fatal(err)
		}
		got[fmt.Sprint("record ", i)] = string(b)
	}
}

func contents(t *testing.T, m *bpfmap.Local) map[string]string {
	switch m.Type() {
	case spec.RingBuf:
		r, err := local.NewReader(m)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		r.SetDeadline(time.Now())
		return drain(t, func() ([]byte, error) { rec, err := r.Read(); return rec.RawSample, err })
	case spec.Queue, spec.Stack:
		return drain(t, func() (v []byte, err error) { err = m.LookupAndDelete(nil, &v); return v, err })
	}
	got := map[string]string{}
	it := m.Iterate()
	var key []byte
	if strings.HasPrefix(m.Type().String(), "percpu") {
		each := make([][]byte, m.CPUs())
		for it.Next(&key, &each) {
			got[string(key)] = sum(each)
		}
	} else {
		var value []byte
		for it.Next(&key, &value) {
			got[string(key)] = string(value)
		}
	}
	if err := it.Err(); err != nil {
		t.Fatal(m.Name(), err)
	}
	return got
}

func compare(t *testing.T, engine string, want, got *outcome) {
	t.Helper()
	wrong := 0
	report := func(format string, args ...any) {
		if wrong++; wrong <= 5 {
			t.Errorf(engine+": "+format, args...)
		}
	}
	for i := range want.verdicts {
		if want.verdicts[i] != got.verdicts[i] {
			report("packet %d: verdict %d, the kernel's is %d", i, got.verdicts[i], want.verdicts[i])
		}
		if want.typ == ebpf.XDP && len(want.packets[i]) == len(got.packets[i])+8 && strings.HasSuffix(t.Name(), "/metadata") {
			want.packets[i] = want.packets[i][8:] // the kernel hands out the metadata too
		}
		if _, out := want.input(make([]byte, 14), true); out && !bytes.Equal(want.packets[i], got.packets[i]) {
			report("packet %d:\n%x, the kernel left\n%x", i, got.packets[i], want.packets[i])
		}
	}
	for name, w := range want.maps {
		g := got.maps[name]
		for key, value := range w {
			if there, ok := g[key]; !ok || there != value {
				report("map %s: element %x is %x, the kernel's is %x", name, key, there, value)
			}
		}
		if len(g) != len(w) {
			report("map %s: %d elements, the kernel's has %d", name, len(g), len(w))
		}
	}
	if wrong > 5 {
		t.Error(fmt.Sprint("and ", wrong-5, " more"))
	}
}

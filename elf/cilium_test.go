// Implements the comparison with the loader of cilium/ebpf, on objects that it takes.

package elf_test

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// compareWithCilium loads an object with cilium/ebpf too, converts that, and compares: programs function by
// function, as the order of functions differs, and maps.
func compareWithCilium(t *testing.T, name string, data []byte, got *spec.Collection) {
	t.Helper()
	cs, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
	if err != nil {
		t.Logf("%s: cilium/ebpf refuses it: %v", name, err)
		return
	}
	want, err := elf.FromCollectionSpec(cs, &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Errorf("%s: converting what cilium/ebpf made of it: %v", name, err)
		return
	}
	for i := range want.Programs {
		w := &want.Programs[i]
		at := slices.IndexFunc(got.Programs, func(p spec.Program) bool { return p.Name == w.Name })
		if at < 0 {
			t.Errorf("%s: there is no program %s", name, w.Name)
			continue
		}
		g := &got.Programs[at]
		if g.Type != w.Type || g.AttachType != w.AttachType || g.AttachTo != w.AttachTo && g.Type != spec.StructOps || g.Flags != w.Flags || g.License != w.License || g.Section != w.Section {
			t.Errorf("%s: program %s: %v %v %q %v %q %q, want %v %v %q %v %q %q", name, w.Name, g.Type, g.AttachType, g.AttachTo, g.Flags, g.License, g.Section,
				w.Type, w.AttachType, w.AttachTo, w.Flags, w.License, w.Section)
		}
		gf, wf := byFunction(g), byFunction(w)
		for fn, want := range wf {
			if got, ok := gf[fn]; !ok {
				t.Errorf("%s: program %s: there is no function %s", name, w.Name, fn)
			} else if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: program %s: function %s\ngot  %+v\nwant %+v", name, w.Name, fn, got, want)
			}
		}
		if len(gf) != len(wf) {
			t.Errorf("%s: program %s: %d functions, want %d", name, w.Name, len(gf), len(wf))
		}
	}
	compareMaps(t, name, got, want)
}

func compareMaps(t *testing.T, name string, got, want *spec.Collection) {
	t.Helper()
	for i := range want.Maps {
		w := &want.Maps[i]
		at := slices.IndexFunc(got.Maps, func(m spec.Map) bool { return m.Name == w.Name })
		if at < 0 {
			t.Errorf("%s: there is no map %s", name, w.Name)
			continue
		}
		g := got.Maps[at]
		if len(w.Contents) == 1 && len(g.Contents) == 0 && bytes.Count(w.Contents[0].Value, []byte{0}) == len(w.Contents[0].Value) {
			g.Contents = w.Contents // zeros are left out
		}
		if !reflect.DeepEqual(contentsOf(&g), contentsOf(w)) || g.Type != w.Type || g.KeySize != w.KeySize || g.ValueSize != w.ValueSize ||
			g.MaxEntries != w.MaxEntries || g.Flags != w.Flags || g.Extra != w.Extra || g.Frozen != w.Frozen || len(g.Fields) != len(w.Fields) || (g.Inner == nil) != (w.Inner == nil) {
			t.Errorf("%s: map %s\ngot  %+v\nwant %+v", name, w.Name, g, *w)
		}
	}
	for _, w := range want.Variables {
		if !slices.ContainsFunc(got.Variables, func(v spec.Variable) bool {
			return v.Name == w.Name && v.Map == w.Map && v.Offset == w.Offset && v.Size == w.Size
		}) {
			t.Errorf("%s: there is no variable %+v", name, w)
		}
	}
}

func contentsOf(m *spec.Map) []spec.MapEntry {
	c := slices.Clone(m.Contents)
	slices.SortFunc(c, func(a, b spec.MapEntry) int { return bytes.Compare(a.Key, b.Key) })
	return c
}

// body is a function without what depends on where it stands.
type body struct {
	Insns   []isa.Instruction
	Calls   []string // of other functions
	Maps    []spec.MapRef
	Named   []spec.CallRef
	Externs []spec.ExternRef
	Lines   int
	Static  bool
	Type    string
}

// byFunction takes a program apart.
func byFunction(p *spec.Program) map[string]body {
	names := map[int]string{}
	for _, f := range p.Funcs {
		names[f.Insn] = f.Name
	}
	out := map[string]body{}
	for i, f := range p.Funcs {
		end := len(p.Insns)
		if i+1 < len(p.Funcs) {
			end = p.Funcs[i+1].Insn
		}
		inside := func(insn int) bool { return insn >= f.Insn && insn < end }
		b := body{Insns: slices.Clone(p.Insns[f.Insn:end]), Static: f.Static}
		if f.Type != nil {
			b.Type = f.Type.Name
		}
		for k := range b.Insns {
			if in := &b.Insns[k]; in.Code == 0x85 && in.Src() == 1 || in.Code == 0x18 && in.Src() == 4 {
				b.Calls = append(b.Calls, names[f.Insn+k+1+int(in.Imm)])
				in.Imm = 0
			}
		}
		for _, r := range p.Maps {
			if inside(r.Insn) {
				r.Insn -= f.Insn
				b.Maps = append(b.Maps, r)
			}
		}
		for _, r := range p.Calls {
			if inside(r.Insn) {
				r.Insn, r.Type = r.Insn-f.Insn, nil
				b.Named = append(b.Named, r)
			}
		}
		for _, r := range p.Externs {
			if inside(r.Insn) {
				r.Insn, r.Type = r.Insn-f.Insn, nil
				b.Externs = append(b.Externs, r)
			}
		}
		for _, l := range p.Lines {
			if inside(l.Insn) {
				b.Lines++
			}
		}
		slices.SortFunc(b.Maps, func(a, b spec.MapRef) int { return cmp.Compare(a.Insn, b.Insn) })
		out[f.Name] = b
	}
	return out
}

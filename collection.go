// Implements collections: programs and the maps they share, made together.

package skep

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/spec"
)

// Collection is what one file holds, live: programs, the maps they share, and the global variables in them.
type Collection struct {
	Programs  map[string]*Program
	Maps      map[string]*bpfmap.Local
	Variables map[string]*Variable
	StructOps map[string]*StructOps // tables of functions
}

// CollectionOptions says how to make a collection. The zero value, and nil, make it with everything in it.
type CollectionOptions struct {
	// Programs is how to load each program. Its Maps take the places of maps of the same name: they must have
	// the same type, and key and value of the same sizes.
	Programs Options
	// Maps is how to make maps. Names of programs in a prog_array are those of the collection.
	Maps bpfmap.Options

	// Object is how to read object files and the specifications of cilium/ebpf.
	Object elf.Options

	// DefaultEntries is how many entries maps get whose number the object leaves to its loader, as some tools do; 0: such
	// maps are an error. Event arrays get one for each processor in any case.
	DefaultEntries uint32

	// Variables are values for global variables, by name: fixed-size values, or bytes. This is the way to set constants,
	// which do not change once programs have been loaded.
	Variables map[string]any

	// Only lists the programs to load; empty: all. Maps are all made.
	Only []string
	// SkipUnsupported leaves out programs that need something that this version or machine lacks, rather than
	// fail. Skipped, if not nil, gets the reasons.
	SkipUnsupported bool
	Skipped         map[string]error
}

// newCollection makes the maps of c and loads its programs.
func newCollection(c *spec.Collection, opts *CollectionOptions) (*Collection, error) {
	b := &builder{spec: c, opts: opts, world: newWorld(), out: &Collection{
		Programs: map[string]*Program{}, Maps: map[string]*bpfmap.Local{}, Variables: map[string]*Variable{}, StructOps: map[string]*StructOps{}}}
	for name := range opts.Variables {
		if !slices.ContainsFunc(c.Variables, func(v spec.Variable) bool { return v.Name == name }) {
			return nil, fmt.Errorf("there is no variable %q in the collection", name)
		}
	}
	for _, step := range []func() error{b.makeMaps, b.fillOuterMaps, b.fillPointers, b.loadPrograms, b.fillProgArrays, b.variables, b.structOps} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return b.out, nil
}

// builder makes a collection.
type builder struct {
	spec  *spec.Collection
	opts  *CollectionOptions
	world *world
	out   *Collection
}

func (b *builder) makeMaps() error {
	for i := range b.spec.Maps {
		def := &b.spec.Maps[i]
		if _, ok := b.out.Maps[def.Name]; ok {
			return fmt.Errorf("map %q is there twice", def.Name)
		}
		m := b.opts.Programs.Maps[def.Name]
		if m != nil {
			if err := sameShape(def, m.Spec()); err != nil {
				return err
			}
		} else {
			var err error
			if m, err = b.makeMap(def); err != nil {
				return err
			}
		}
		if _, err := b.world.add(def.Name, m); err != nil {
			return err
		}
		b.out.Maps[def.Name] = m
	}
	return nil
}

// fillOuterMaps puts maps into the maps of maps whose contents name them.
func (b *builder) fillOuterMaps() error {
	for i := range b.spec.Maps {
		def := &b.spec.Maps[i]
		for _, e := range def.Contents {
			if e.Map == "" {
				continue
			}
			inner := b.out.Maps[e.Map]
			if inner == nil {
				return fmt.Errorf("map %q: there is no map %q to put into it", def.Name, e.Map)
			}
			if err := b.out.Maps[def.Name].Put(e.Key, inner); err != nil {
				return fmt.Errorf("map %q: map %q: %w", def.Name, e.Map, err)
			}
		}
	}
	return nil
}

// makeMap makes a map with its contents, but for maps and programs, which may not be there yet.
func (b *builder) makeMap(def *spec.Map) (*bpfmap.Local, error) {
	own := *def
	own.Contents = slices.DeleteFunc(slices.Clone(def.Contents), func(e spec.MapEntry) bool { return e.Program != "" || e.Map != "" })
	own.Frozen = constant(def) && len(def.Pointers) == 0 // addresses are still to come
	if err := b.setVariables(&own); err != nil {
		return nil, err
	}
	opts := b.opts.Maps
	switch {
	case def.Type == spec.RingBuf || def.Type == spec.UserRingBuf:
		own.MaxEntries = ringSize(own.MaxEntries)
	case own.MaxEntries != 0:
	case def.Type == spec.PerfEventArray:
		if own.MaxEntries = uint32(opts.CPUs); opts.CPUs <= 0 {
			own.MaxEntries = uint32(runtime.NumCPU())
		}
	case !unsized(def.Type):
		own.MaxEntries = b.opts.DefaultEntries
	}
	return bpfmap.New(&own, &opts)
}

// constant reports whether nobody changes a map once programs are loaded, as that is the meaning of maps that programs
// can only read and that hold one value.
func constant(m *spec.Map) bool {
	const readOnly = 1 << 7 // BPF_F_RDONLY_PROG
	return m.Frozen || m.Type == spec.Array && m.Flags&readOnly != 0 && m.MaxEntries == 1
}

// setVariables puts the values asked for into the contents of a map.
func (b *builder) setVariables(m *spec.Map) error {
	for _, v := range b.spec.Variables {
		value, ok := b.opts.Variables[v.Name]
		if !ok || v.Map != m.Name {
			continue
		}
		data, err := variableBytes(&v, value)
		if err != nil {
			return err
		}
		if len(m.Contents) == 0 {
			m.Contents = []spec.MapEntry{{Key: make([]byte, m.KeySize), Value: make([]byte, m.ValueSize)}}
		}
		whole := slices.Clone(m.Contents[0].Value)
		if end := uint64(v.Offset) + uint64(len(data)); m.Type == spec.Arena && end <= valueSize(m) && end > uint64(len(whole)) {
			whole = append(whole, make([]byte, end-uint64(len(whole)))...)
		}
		if uint64(v.Offset)+uint64(len(data)) > uint64(len(whole)) {
			return fmt.Errorf("variable %q does not lie in map %q", v.Name, m.Name)
		}
		copy(whole[v.Offset:], data)
		m.Contents[0].Value = whole
	}
	return nil
}

// unsized tells of map types that have no number of entries.
func unsized(t spec.MapType) bool {
	switch t {
	case spec.SkStorage, spec.TaskStorage, spec.InodeStorage, spec.CgrpStorage, spec.CGroupStorage, spec.PerCPUCGroupStorage:
		return true
	}
	return false
}

// ringSize rounds the size of a ring buffer up to what the kernel takes, as libbpf does: a power of two, of whole
// pages.
func ringSize(n uint32) uint32 {
	const page = 4096
	if n == 0 || n > 1<<31 {
		return n
	}
	size := uint32(page)
	for size < n {
		size *= 2
	}
	return size
}

// sameShape checks that a map can take the place of another.
func sameShape(want, have *spec.Map) error {
	if want.Type != have.Type || want.KeySize != have.KeySize || want.ValueSize != have.ValueSize {
		return fmt.Errorf("map %q is a %s with keys of %d and values of %d bytes, the one in its place a %s with %d and %d",
			want.Name, want.Type, want.KeySize, want.ValueSize, have.Type, have.KeySize, have.ValueSize)
	}
	return nil
}

func (b *builder) loadPrograms() error {
	for _, name := range b.opts.Only {
		if !slices.ContainsFunc(b.spec.Programs, func(p spec.Program) bool { return p.Name == name }) {
			return fmt.Errorf("there is no program %q in the collection", name)
		}
	}
	b.world.types = b.spec.Types
	for i := range b.spec.Programs {
		p := &b.spec.Programs[i]
		if len(b.opts.Only) > 0 && !slices.Contains(b.opts.Only, p.Name) {
			continue
		}
		if _, ok := b.out.Programs[p.Name]; ok {
			return fmt.Errorf("program %q is there twice", p.Name)
		}
		opts := b.opts.Programs
		prog, err := load(p, &opts, b.world)
		switch {
		case err == nil:
			b.out.Programs[p.Name] = prog
		case b.opts.SkipUnsupported && errors.Is(err, ErrNotSupported):
			if b.opts.Skipped != nil {
				b.opts.Skipped[p.Name] = err
			}
		default:
			return err
		}
	}
	return nil
}

// fillProgArrays puts programs into the maps whose contents name them. Those that were left out stay out.
func (b *builder) fillProgArrays() error {
	for i := range b.spec.Maps {
		def := &b.spec.Maps[i]
		for _, e := range def.Contents {
			p, ok := b.out.Programs[e.Program]
			if e.Program == "" || !ok {
				continue
			}
			if err := b.out.Maps[def.Name].Put(e.Key, p); err != nil {
				return fmt.Errorf("map %q: program %q: %w", def.Name, e.Program, err)
			}
		}
	}
	return nil
}

func (b *builder) variables() error {
	for _, v := range b.spec.Variables {
		m := b.out.Maps[v.Map]
		if m == nil {
			return fmt.Errorf("variable %q is in map %q, which there is not", v.Name, v.Map)
		}
		out, err := newVariable(v, m)
		if err != nil {
			return err
		}
		b.out.Variables[v.Name] = out
	}
	return nil
}

// Close closes the maps. Programs go on working.
func (c *Collection) Close() error {
	var errs []error
	for _, m := range c.Maps {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

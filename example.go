// Implements examples: inputs with which programs that were refused really go wrong.

package skep

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// Example is an input with which a program that was refused really goes wrong, as FindExample finds them. Its JSON form
// can be kept, and run again by the command run.
type Example struct {
	Data    HexBytes         `json:"data,omitempty"`    // the packet
	Context HexBytes         `json:"context,omitempty"` // the context, of types whose context comes from the caller; zeros follow
	Fields  []ExampleField   `json:"fields,omitempty"`  // fields of the context that are not zero, of other types
	Maps    []ExampleElement `json:"maps,omitempty"`    // what maps hold ahead of the run, beside their contents
	Results []ExampleResult  `json:"results,omitempty"` // what helpers return
	Apart   *ExampleApart    `json:"apart,omitempty"`   // memory that stands alone
	Limit   uint64           `json:"limit,omitempty"`   // of instructions; 0: DefaultLimit. Loops that do not end reach it

	// ZeroUninitialized has stack bytes that nothing has written read as zero: the program reads some where it is
	// allowed to.
	ZeroUninitialized bool `json:"zero_uninitialized,omitempty"`

	Insn  int    `json:"insn"`  // slot of the instruction at fault
	Fault string `json:"fault"` // what goes wrong there
}

// ExampleField is a word of four bytes of the context.
type ExampleField struct {
	Name  string `json:"name"` // of the field, with "+4" and so on for further words of it
	Value uint32 `json:"value"`
}

// ExampleElement is what a map holds at a key. In per-CPU maps all processors have the same value.
type ExampleElement struct {
	Map   string   `json:"map"`
	Key   HexBytes `json:"key"`
	Value HexBytes `json:"value"`
}

// ExampleResult is what a helper returns at its Call-th call in a run, from 1, in place of what it would.
type ExampleResult struct {
	Helper string `json:"helper"`
	Call   int    `json:"call"`
	Value  uint64 `json:"value"`
}

// ExampleApart tells of memory that a helper gives, such as a map's value or a record, that it is not where it would be, among other
// values or records, but alone: nothing lies behind it or, with Start, nothing before it.
type ExampleApart struct {
	Helper string `json:"helper"`
	Call   int    `json:"call"` // which of its calls in a run, from 1
	Start  bool   `json:"start,omitempty"`
}

// HexBytes are bytes that JSON shows in hexadecimal.
type HexBytes []byte

// MarshalText implements encoding.TextMarshaler.
func (b HexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(b)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *HexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.DecodeString(string(text))
	return err
}

// MisuseError is the error of Example.Run for runs that come to their end, and leave something undone or return what they
// must not.
type MisuseError struct{ Text string }

func (e *MisuseError) Error() string { return e.Text }

// Run runs a program on the example, with all accesses checked, verified or not: a *Fault, ErrLimit or a *MisuseError
// is what the example is for. maps are the maps that the program refers to. Of opts, which may be nil, Engine, Profile,
// Helpers, Env and Value count; without an Env, time stands still and there is no chance.
func (x *Example) Run(p *spec.Program, maps []spec.Map, opts *Options) (Result, error) {
	r, err := newExampleRun(p, maps, opts)
	if err != nil {
		return Result{}, err
	}
	return r.run(x)
}

// exampleRun runs examples.
type exampleRun struct {
	prog    spec.Program
	maps    []spec.Map
	opts    Options
	helpers []helper.Helper
	typ     progtype.Type

	mu     sync.Mutex               // functions of timers may run beside the program
	forced map[ExampleResult]uint64 // what helpers return, by everything but the value
	apart  *ExampleApart
	alone  *aloneMemory
	counts map[string]int
	calls  []exampleCall
	held   []string // what the run would have to release, by the helper that gave it
	locks  int      // locks that are held
	broken string   // what the run has done wrong that is no fault
}

// exampleCall is what a run showed of the call of a helper.
type exampleCall struct {
	name   string
	result uint64
	out    [helper.MaxArgs][]byte
}

func newExampleRun(p *spec.Program, maps []spec.Map, opts *Options) (*exampleRun, error) {
	r := &exampleRun{prog: *p, typ: progtype.Find(p.Type)}
	if opts != nil {
		r.opts = Options{Engine: opts.Engine, Profile: opts.Profile, Helpers: opts.Helpers, Env: opts.Env, Value: opts.Value}
	}
	r.opts.Unverified = true
	for _, m := range maps {
		if slices.ContainsFunc(p.Maps, func(ref spec.MapRef) bool { return ref.Map == m.Name }) {
			m.Contents = slices.DeleteFunc(slices.Clone(m.Contents), func(e spec.MapEntry) bool { return e.Program != "" })
			r.maps = append(r.maps, m)
		}
	}
	helpers, err := helpersOf(r.opts.Helpers)
	if err != nil {
		return nil, err
	}
	source, err := resolveCalls(p, helpers)
	if err != nil {
		return nil, err
	}
	seen := map[int32]bool{}
	for _, in := range source.Insns {
		if h := helpers.get(in.Imm); in.Code == isa.Linux.Row(isa.Call).Code && in.Src() == 0 && h != nil && h.Func != nil && !seen[in.Imm] {
			seen[in.Imm] = true
			r.helpers = append(r.helpers, r.watched(h))
		}
	}
	r.opts.Helpers = append(slices.Clone(r.opts.Helpers), r.helpers...)
	return r, nil
}

// watched returns a helper that does the same, but for the results that the example says.
func (r *exampleRun) watched(h *helper.Helper) helper.Helper {
	own, body := *h, h.Func
	args := h.ArgsIn(r.typ.Type)
	own.Inline, own.Native = helper.NoInline, 0
	own.Func = func(c *helper.Call, r1, r2, r3, r4, r5 uint64) (uint64, error) {
		r.mu.Lock()
		r.counts[h.Name]++
		if r.locks > 0 && !h.Unlocks && !h.WhileLocked {
			r.broken = fmt.Sprintf("the program calls %s while it holds a lock", h.Name)
		}
		v, ok := r.forced[ExampleResult{Helper: h.Name, Call: r.counts[h.Name]}]
		r.mu.Unlock()
		var err error
		regs := [helper.MaxArgs]uint64{r1, r2, r3, r4, r5}
		back := r.alone.pass(c, &regs)
		if !ok {
			run := c.Run
			if h.Callback != nil {
				c.Run = watchedRun{run, r, h.Callback}
			}
			v, err = body(c, regs[0], regs[1], regs[2], regs[3], regs[4])
			c.Run = run
		}
		back()
		r.mu.Lock()
		defer r.mu.Unlock()
		made := exampleCall{name: h.Name, result: v}
		r.filled(c, args, &regs, &made)
		r.calls = append(r.calls, made)
		if err == nil {
			r.holds(h, args, &regs, v)
		}
		if a := r.apart; err == nil && v != 0 && a != nil && a.Helper == h.Name && a.Call == r.counts[h.Name] && r.alone == nil {
			if r.alone = standAlone(c, h, args, &regs, v, a.Start); r.alone != nil {
				v = r.alone.addr
			}
		}
		return v, err
	}
	return own
}

// watchedRun is a run whose functions' results are looked at.
type watchedRun struct {
	helper.Run
	r  *exampleRun
	cb *helper.Callback
}

// CallFunction implements helper.Run.
func (w watchedRun) CallFunction(function uint64, r1, r2, r3, r4, r5 uint64) (uint64, error) {
	r0, err := w.Run.CallFunction(function, r1, r2, r3, r4, r5)
	if n := int64(r0); err == nil && (n < int64(w.cb.Min) || n > int64(w.cb.Max)) {
		w.r.mu.Lock()
		w.r.broken = fmt.Sprintf("the function that a helper calls returns %d, and allowed is %d to %d", n, w.cb.Min, w.cb.Max)
		w.r.mu.Unlock()
	}
	return r0, err
}

// filled keeps what a helper has put into memory.
func (r *exampleRun) filled(c *helper.Call, args []helper.Arg, regs *[helper.MaxArgs]uint64, made *exampleCall) {
	for i, a := range args {
		size := int(a.FixedSize())
		switch {
		case a.Kind() == helper.MapValueOut && i > 0:
			for k := range i {
				if l := c.Map(regs[k]); args[k].Kind() == helper.MapRef && l != nil {
					size = int(l.ValueSize())
				}
			}
		case a.Kind() != helper.MemOut && !(a.Kind() == helper.Mem && a.Has(helper.Writes)):
			continue
		case size == 0 && i+1 < len(regs):
			size = int(min(regs[i+1], 1<<16))
		}
		if b, err := c.Bytes(regs[i], size, false); err == nil {
			made.out[i] = slices.Clone(b)
		}
	}
}

// holds notes what the program has to release after a call, and what it has released by it.
func (r *exampleRun) holds(h *helper.Helper, args []helper.Arg, regs *[helper.MaxArgs]uint64, result uint64) {
	takes := h.Result.Has(helper.Acquires) && result != 0 || h.Locks || h.Enters != helper.NoSection
	gives := h.Unlocks || h.Leaves != helper.NoSection
	for i, a := range args {
		takes = takes || a.Has(helper.Fresh) && (a.Kind() == helper.Iterator || a.Kind() == helper.IRQFlag || a.Has(helper.RingBuf))
		gives = gives || a.Has(helper.Releases) && regs[i] != 0
	}
	switch {
	case h.Locks:
		r.locks++
	case h.Unlocks:
		r.locks--
	}
	if gives && len(r.held) > 0 {
		r.held = r.held[:len(r.held)-1]
	}
	if takes {
		r.held = append(r.held, h.Name)
	}
}

// run runs the program on an example.
func (r *exampleRun) run(x *Example) (Result, error) {
	r.forced, r.counts, r.calls, r.held, r.locks, r.broken = map[ExampleResult]uint64{}, map[string]int{}, nil, nil, 0, ""
	r.apart, r.alone = x.Apart, nil
	for _, f := range x.Results {
		r.forced[ExampleResult{Helper: f.Helper, Call: f.Call}] = f.Value
	}
	opts := r.opts
	if opts.Env == nil { // runs are alike, and no timer runs
		opts.Env = &helper.Env{Clock: &helper.Clock{}, Random: func() uint32 { return 0 }, CPU: func() uint32 { return 0 }}
	}
	opts.ZeroUninitialized, opts.watched = x.ZeroUninitialized, true
	c, err := NewCollectionWithOptions(&spec.Collection{Programs: []spec.Program{r.prog}, Maps: r.maps},
		&CollectionOptions{Programs: opts, DefaultEntries: 1024})
	if err != nil {
		return Result{}, notLoadedError{err}
	}
	defer c.Close()
	for _, e := range x.Maps {
		m := c.Maps[e.Map]
		if m == nil {
			return Result{}, fmt.Errorf("there is no map %q", e.Map)
		}
		value := []byte(e.Value)
		switch m.Spec().Type {
		case spec.PerCPUArray, spec.PerCPUHash, spec.LRUPerCPUHash:
			one := append(slices.Clone(value), make([]byte, (8-len(value)%8)%8)...)
			value = slices.Repeat(one, m.CPUs())
		}
		if err := m.Put([]byte(e.Key), value); err != nil {
			return Result{}, fmt.Errorf("map %q: %w", e.Map, err)
		}
	}
	in := &RunOptions{Data: x.Data, Limit: x.Limit}
	if in.Context, err = r.context(x); err != nil {
		return Result{}, err
	}
	out, err := c.Programs[r.prog.Name].RunContext(context.Background(), in)
	if err == nil {
		err = r.misuse(out.R0)
	}
	return out, err
}

// context returns the context of a run; nil: what the packet makes it.
func (r *exampleRun) context(x *Example) ([]byte, error) {
	l := r.typ.Context
	switch {
	case r.typ.Given != nil:
		if len(x.Context) > r.typ.Given.Size {
			return nil, fmt.Errorf("a context of %d bytes, and struct %s has %d", len(x.Context), r.typ.Given.Name, r.typ.Given.Size)
		}
		return append(slices.Clone(x.Context), make([]byte, r.typ.Given.Size-len(x.Context))...), nil
	case len(x.Context) > 0:
		return x.Context, nil
	case len(x.Fields) == 0:
		return nil, nil
	case l == nil:
		return nil, fmt.Errorf("programs of type %s have no fields of the context to set", r.typ.Type)
	}
	out := make([]byte, (l.Size+3)&^3)
	for _, f := range l.Fields {
		if f.From == progtype.Len || f.From == progtype.WireLen {
			binary.LittleEndian.PutUint32(out[f.Off:], uint32(len(x.Data)))
		}
	}
	for _, f := range x.Fields {
		off := fieldOffset(l, f.Name)
		if off < 0 || off+4 > len(out) {
			return nil, fmt.Errorf("struct %s has no field %q", l.Name, f.Name)
		}
		binary.LittleEndian.PutUint32(out[off:], f.Value)
	}
	return out[:l.Size], nil
}

// fieldsOf returns the words of a context that are not zero, but for those that tell the packet's length.
func fieldsOf(l *progtype.Layout, b []byte) (out []ExampleField) {
	b = append(slices.Clone(b), 0, 0, 0)
	for off := 0; off+4 <= len(b); off += 4 {
		f := l.Field(off)
		v := binary.LittleEndian.Uint32(b[off:])
		if v == 0 || f == nil || f.From == progtype.Len || f.From == progtype.WireLen {
			continue
		}
		name := f.Name
		if more := off - fieldOffset(l, name); more != 0 {
			name += fmt.Sprintf("+%d", more)
		}
		out = append(out, ExampleField{name, v})
	}
	return out
}

// fieldOffset returns where a word of a field is, as ExampleField names it, or -1.
func fieldOffset(l *progtype.Layout, name string) int {
	name, more, _ := strings.Cut(name, "+")
	n, _ := strconv.Atoi(more)
	for _, f := range l.Fields {
		if f.Name == name {
			return f.Off&^3 + n
		}
	}
	return -1
}

// notLoadedError is that a program cannot be loaded, whatever the input.
type notLoadedError struct{ error }

func (e notLoadedError) Unwrap() error { return e.error }

// misuse is what a run has done wrong that has come to its end.
func (r *exampleRun) misuse(r0 uint64) error {
	if r.broken != "" {
		return &MisuseError{r.broken}
	}
	if len(r.held) > 0 {
		return &MisuseError{fmt.Sprintf("the program ends, and what %s has given or begun is not given back", r.held[len(r.held)-1])}
	}
	at := spec.AttachType(r.prog.AttachType)
	if at == 0 {
		at = r.typ.Default
	}
	if want, ok := r.typ.Range(at); ok && (int32(r0) < want.Min || int32(r0) > want.Max) {
		return &MisuseError{fmt.Sprintf("the program returns %d, and allowed is %d to %d", int32(r0), want.Min, want.Max)}
	}
	return nil
}

// endless is the limit of runs that are to show that a loop does not end, instructions: above what the kernel would
// walk through.
const endless = 4_000_000

// goesWrong reports whether a run has shown what the verifier has refused the program for.
func goesWrong(e *VerifierError, err error) bool {
	var f *Fault
	var m *MisuseError
	switch {
	case errors.Is(err, ErrNotSupported):
		return false
	case errors.Is(err, ErrLimit):
		return e.Code == verify.InfiniteLoop || e.Code == verify.TooComplex
	case errors.As(err, &f):
		return f.Code != Unsupported && f.Code != UnknownHelper && (f.Insn == int(e.Slot) || harmsLater[e.Code] && f.Insn > int(e.Slot))
	case errors.As(err, &m):
		switch e.Code {
		case verify.Unreleased, verify.LockHeld, verify.BadReturn, verify.BadCallback, verify.NotReference:
			return true
		}
	}
	return false
}

// harmsLater are the classes of errors that do no harm themselves: an address is made that is used later on.
var harmsLater = map[verify.Code]bool{verify.PointerArith: true, verify.TooDeep: true, verify.Recursion: true, verify.StackTooDeep: true}

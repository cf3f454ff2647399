// Implements the search for examples.

package skep

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/internal/witness"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// ExampleOptions says how to search for an example. The zero value, and nil, search for a second.
type ExampleOptions struct {
	Verify *VerifyOptions // how the program was refused; nil: with none
	Time   time.Duration  // how long to search, at most; 0: one second. The verification itself is not cut short
	Seed   uint64         // of what is left to chance
}

// NoExampleError says that no example was found: the rejection may be a caution that no input needs, or the search may not have come
// upon one.
type NoExampleError struct {
	Tried int    // inputs that the program was run on
	Text  string // why
}

func (e *NoExampleError) Error() string { return e.Text }

// FindExample searches for an input with which a program that Verify refuses really does what it is refused for, or an
// instruction that depends on it does: a fault at the instruction that the *VerifierError names, a loop that goes on, a reference that
// is not released, a result that is not allowed. What it returns has gone wrong in a run. The error is a
// *NoExampleError, which also says so if the program is not refused. maps are the maps that the program can refer to.
func FindExample(p *spec.Program, maps []spec.Map, opts *ExampleOptions) (*Example, error) {
	if opts == nil {
		opts = &ExampleOptions{}
	}
	f := &finder{p: p, maps: maps, opts: *opts}
	if f.opts.Verify == nil {
		f.opts.Verify = &VerifyOptions{}
	}
	if f.opts.Time == 0 {
		f.opts.Time = time.Second
	}
	f.until = time.Now().Add(f.opts.Time)
	return f.find()
}

// finder is a search for an example.
type finder struct {
	p     *spec.Program
	maps  []spec.Map
	opts  ExampleOptions
	until time.Time
	prog  *ir.Program
	run   *exampleRun
	err   *VerifierError
	paths [][]ir.Index
	tried int
}

// formal are the classes of errors that say nothing of what a run does.
var formal = map[verify.Code]string{
	verify.Unreachable: "instructions that are never reached do no harm", verify.Loop: "loops are refused here for what they are",
	verify.DivisionByZero: "a division by zero gives zero", verify.BadShift: "a shift by too much takes the lower bits of the number",
	verify.PointerLeak: "a leaked address is no fault of the run", verify.PointerCompare: "a comparison of addresses is no fault of the run",
	verify.BadAttach: "the program would not be run at all", verify.BadHelper: "the kernel does not offer the helper to the program",
	verify.MixedPointers: "the kernel cannot translate the instruction, which would do no harm",
	verify.StackTooDeep:  "there is more stack here than in the kernel",
	verify.BadMap:        "what is refused is the map itself",
	verify.CorruptStack:  "reading or changing a part of a saved address is no fault of the run",
}

// beside adds to what is said where no example was found why that may be.
var beside = map[verify.Code]string{verify.Misaligned: ", and this processor does not mind"}

// maxPaths is how many paths that go wrong are looked at, keptPath how much of one.
const (
	maxPaths = 24
	keptPath = 1 << 14
)

func (f *finder) find() (*Example, error) {
	none := func(text string, args ...any) (*Example, error) {
		return nil, &NoExampleError{Tried: f.tried, Text: fmt.Sprintf(text, args...)}
	}
	v := *f.opts.Verify
	v.Log, v.Graph = nil, nil
	v.rejected = f.rejected
	_, err := verifyWith(f.p, f.maps, &v, &f.prog)
	switch {
	case err == nil:
		return none("the program is not refused")
	case !errors.As(err, &f.err):
		return none("the program was not judged: %v", err)
	}
	if why, ok := formal[f.err.Code]; ok {
		return none("no input shows this: %s", why)
	}
	if f.run, err = newExampleRun(f.p, f.maps, &Options{Engine: EngineInterp, Profile: v.Profile, Helpers: v.Helpers}); err != nil {
		return none("the program cannot be run: %v", err)
	}
	f.until = time.Now().Add(f.opts.Time)
	x, err := f.along()
	if x == nil && err == nil {
		x, err = f.byChance()
	}
	switch {
	case err != nil:
		return none("the program cannot be run: %v", err)
	case x == nil:
		return none("none of %d inputs that were tried goes wrong at this instruction: the rejection may be caution%s", f.tried, beside[f.err.Code])
	}
	return f.smaller(x), nil
}

// rejected keeps a path that goes wrong.
func (f *finder) rejected(path []ir.Index, e *verify.Error) bool {
	if f.err == nil {
		f.err = e
	}
	if e.Slot == f.err.Slot && e.Code == f.err.Code && len(path) > 0 && path[0] == 0 {
		f.paths = append(f.paths, slices.Clone(path[:min(len(path), keptPath)]))
	}
	return len(f.paths) < maxPaths && time.Now().Before(f.until)
}

// along tries inputs that lead along the paths.
func (f *finder) along() (*Example, error) {
	slices.SortStableFunc(f.paths, func(a, b []ir.Index) int { return len(a) - len(b) })
	helpers, err := helpersOf(f.opts.Verify.Helpers)
	if err != nil {
		return nil, err
	}
	var all []*witness.Search
	nothing := 0
	for round := 0; round < 100+20*len(f.paths) && time.Now().Before(f.until.Add(-f.opts.Time/4)); round++ {
		if round == len(all) && round < len(f.paths) {
			all = append(all, witness.New(&witness.Task{Prog: f.prog, Type: progtype.Find(f.p.Type), Maps: f.maps, Helper: helpers.provable,
				Path: f.paths[round], Seed: f.opts.Seed + uint64(round)}))
		}
		if len(all) == 0 {
			return nil, nil
		}
		s := all[round%len(all)]
		in := s.Next(f.until)
		if in == nil {
			if nothing++; nothing > 2*len(f.paths)+4 {
				return nil, nil
			}
			continue
		}
		x := &Example{Data: in.Data}
		if l := progtype.Find(f.p.Type).Context; l != nil {
			x.Fields = fieldsOf(l, in.Context)
		} else {
			x.Context = bytes.TrimRight(in.Context, "\x00")
		}
		for _, e := range in.Maps {
			x.Maps = append(x.Maps, ExampleElement{e.Map, e.Key, e.Value})
		}
		for _, r := range in.Results {
			x.Results = append(x.Results, ExampleResult{r.Helper, r.Call, r.Value})
		}
		if y, err := f.tryAlone(x, s); y != nil || err != nil {
			return y, err
		}
		var calls []witness.Call
		for _, c := range f.run.calls {
			calls = append(calls, witness.Call{Name: c.name, Result: c.result, Out: c.out})
		}
		s.Learn(calls)
	}
	return nil, nil
}

// tryAlone tries an input and then, if a helper gave the address at fault, with the memory there standing alone.
func (f *finder) tryAlone(x *Example, s *witness.Search) (*Example, error) {
	ok, err := f.try(x)
	if ok || err != nil {
		return x, err
	}
	calls := f.run.calls
	defer func() { f.run.calls = calls }()
	name, call := s.Giver()
	if call == 0 || f.err.Code == verify.MaybeNull {
		return nil, nil
	}
	for _, start := range []bool{false, true} {
		y := *x
		y.Apart = &ExampleApart{Helper: name, Call: call, Start: start}
		if ok, err := f.try(&y); ok || err != nil {
			return &y, err
		}
	}
	return nil, nil
}

// smaller leaves out of an example what it does not need.
func (f *finder) smaller(x *Example) *Example {
	until := time.Now().Add(f.opts.Time / 4)
	tried := f.tried
	defer func() { f.tried = tried }()
	attempt := func(change func(y *Example) bool) {
		y := *x
		y.Results, y.Maps, y.Data, y.Fields = slices.Clone(x.Results), slices.Clone(x.Maps), slices.Clone(x.Data), slices.Clone(x.Fields)
		if time.Now().After(until) || !change(&y) {
			return
		}
		if ok, err := f.try(&y); ok && err == nil && y.Insn == x.Insn {
			x = &y
		}
	}
	for i := len(x.Results) - 1; i >= 0; i-- {
		attempt(func(y *Example) bool { y.Results = slices.Delete(y.Results, i, i+1); return true })
	}
	for i := len(x.Maps) - 1; i >= 0; i-- {
		attempt(func(y *Example) bool { y.Maps = slices.Delete(y.Maps, i, i+1); return true })
	}
	for i := len(x.Fields) - 1; i >= 0; i-- {
		attempt(func(y *Example) bool { y.Fields = slices.Delete(y.Fields, i, i+1); return true })
	}
	for _, n := range []int{14, 34, 54, 64, 128, 1500} {
		attempt(func(y *Example) bool {
			shorter := n < len(x.Data)
			y.Data = y.Data[:min(n, len(y.Data))]
			return shorter
		})
	}
	for piece := (len(x.Data) + 1) / 2; piece >= 1 && piece < len(x.Data); piece /= 2 {
		for at := 0; at < len(x.Data); at += piece {
			attempt(func(y *Example) bool {
				part := y.Data[at:min(at+piece, len(y.Data))]
				some := slices.ContainsFunc(part, func(b byte) bool { return b != 0 })
				clear(part)
				return some
			})
		}
	}
	return x
}

// byChance tries inputs of which nothing is known.
func (f *finder) byChance() (*Example, error) {
	rng := rand.New(rand.NewPCG(f.opts.Seed, 2))
	typ := progtype.Find(f.p.Type)
	fill := func(n int) []byte {
		b := make([]byte, n)
		some := byte([]int{0, 0xff, 1, 0x80}[rng.IntN(4)])
		random := rng.IntN(2) == 0
		for i := range b {
			if b[i] = some; random {
				b[i] = byte(rng.Uint32())
			}
		}
		return b
	}
	for n := 0; n < 2000 && time.Now().Before(f.until); n++ {
		x := &Example{}
		if typ.Packet {
			x.Data = fill([]int{14, 64, 34, 1500, 200}[rng.IntN(5)])
		} else if typ.Given != nil {
			x.Context = fill(typ.Given.Size)
		}
		if ok, err := f.try(x); ok || err != nil {
			return x, err
		}
	}
	return nil, nil
}

// try runs the program on an input, and completes the example if it goes wrong as the verifier says. The error is one of loading.
func (f *finder) try(x *Example) (bool, error) {
	x.Limit = endless
	_, err := f.run.run(x)
	if f.tried++; err == nil {
		return false, nil
	}
	var fault *Fault
	if errors.As(err, &fault) && fault.Code == UninitStack && f.err.Code != verify.UninitStack {
		x.ZeroUninitialized = true
		_, err = f.run.run(x)
	}
	if !goesWrong(f.err, err) {
		var unloaded notLoadedError
		if errors.As(err, &unloaded) {
			return false, err
		}
		return false, nil
	}
	x.Fault, x.Insn = err.Error(), int(f.err.Slot)
	if errors.As(err, &fault) {
		x.Insn, x.Fault = fault.Insn, fault.Text
		if m := f.run.alone; m != nil && fault.Size > 0 {
			verb := map[bool]string{false: "read", true: "write"}[fault.Write]
			x.Fault = fmt.Sprintf("%s of %d bytes at offset %d of the %d bytes that %s has given", verb, fault.Size, int64(fault.Addr-m.addr), len(m.bytes), x.Apart.Helper)
		}
	}
	if errors.Is(err, ErrLimit) {
		x.Fault = fmt.Sprintf("the program still runs after %d instructions", endless)
	} else {
		x.Limit = 0
	}
	return true, nil
}

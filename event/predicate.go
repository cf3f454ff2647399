// Implements predicates: expressions that are compiled, and running them.

package event

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// Options says how to compile. The zero value, and nil, compile for the fastest engine there is.
type Options struct {
	Name string // of the program, for profiles and errors; "" is "predicate"

	// Engine is how to run: EngineAuto is machine code where there is a JIT, EngineInterp the interpreter.
	Engine skep.Engine
	// Checked has machine code check every access. Records of Go structs are copied then. Otherwise what the compiler has
	// written is trusted: it looks at nothing outside the record.
	Checked bool
	PerfMap bool // see skep.Options
}

// Predicate is a compiled expression. It is safe for concurrent use.
type Predicate struct {
	program
	root  *node
	match func(at unsafe.Pointer, size uint64) (r0, yield uint64) // skep.Func; nil: there is none
	code  *emit.Func                                              // on bytes; nil if there is match
	bytes func(rec []byte) bool                                   // of records that are bytes
	whole bool                                                    // match always has a result, which is a bool

	outcome struct { // as match and code, but telling what has no value
		once  sync.Once
		match skep.Func
		code  *emit.Func
		err   error
	}
}

// What the code of predicates returns, beyond an Outcome.
const leftToGo = 3

// Compile compiles an expression for records of a schema. The error is an *Error if the expression is at fault.
func Compile(s *Schema, e Expr, opts *Options) (*Predicate, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	root, err := bind(s, e)
	if err != nil {
		return nil, err
	}
	p := &Predicate{root: root}
	p.set(s, opts, "predicate", root)
	var match skep.Func
	match, p.code, err = p.compile(false)
	p.match = match
	var ok bool
	if p.bytes, ok = direct[func([]byte) bool](p); !ok || s.host {
		p.bytes = p.matchBytes
	}
	return p, err
}

// direct returns the machine code of a predicate as a function from a pointer, or a slice, to bool, if it has a result for
// every record. It is a closure that keeps Go's convention: the address comes in the first register, the length, which
// only records that are bytes have, in the second, and the result is in the first.
func direct[F any](p *Predicate) (f F, ok bool) {
	if p.match == nil || !p.whole {
		return f, false
	}
	return *(*F)(unsafe.Pointer(&p.match)), true
}

// set sets what is the same for all that is compiled.
func (p *program) set(s *Schema, opts *Options, name string, roots ...*node) {
	p.schema, p.flat = s, newFlat(s, roots...)
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Name == "" {
		p.opts.Name = name
	}
}

// compile compiles the expression: to a Go function, or else to code on bytes. If tell is false, what has no value is
// false.
func (p *Predicate) compile(tell bool) (skep.Func, *emit.Func, error) {
	why := &p.unproved
	if tell { // perhaps while others ask why
		why = new(error)
	}
	return p.build(nil, why, func(s *Schema) (*emit.Code, error) { return p.write(s, tell) })
}

// program is what predicates, rules and counters have in common.
type program struct {
	schema  *Schema
	flat    *flat // of schemas of Go structs
	opts    Options
	buffers sync.Pool // of *[]byte

	unproved error // why code that reads records in place was not taken
}

// layout is the schema of the records that code on bytes gets.
func (p *program) layout() *Schema {
	if p.flat != nil {
		return p.flat.schema
	}
	return p.schema
}

// build makes code: a Go function, if it is proved that it looks at nothing outside the record, or else code on bytes, which
// is checked as it runs; then why becomes what is the matter with the proof. write writes the code for records of a schema.
func (p *program) build(maps map[string]*bpfmap.Local, why *error, write func(*Schema) (*emit.Code, error)) (skep.Func, *emit.Func, error) {
	opts := skep.Options{Engine: p.opts.Engine, PerfMap: p.opts.PerfMap, Maps: maps}
	if p.opts.Engine != skep.EngineInterp && !p.opts.Checked && (!p.schema.host || hostLayout) {
		c, err := write(p.schema)
		if err != nil {
			return nil, nil, err
		}
		f, err := c.Proved(p.schema.memory(), &opts)
		switch proof := new(emit.ProofError); {
		case errors.As(err, &proof):
			*why = err
		case err != nil:
			return nil, nil, err
		default:
			pure, err := f.Pointer()
			if err == nil || !errors.Is(err, skep.ErrNotSupported) {
				return pure, nil, err
			}
		}
	}
	c, err := write(p.layout())
	if err != nil {
		return nil, nil, err
	}
	f, err := c.Func(&opts)
	return nil, f, err
}

// copied calls f with the copy of a record that is a Go struct.
func (p *program) copied(at unsafe.Pointer, f func(rec []byte) uint64) uint64 {
	b, _ := p.buffers.Get().(*[]byte)
	if b == nil {
		b = new([]byte)
	}
	*b = p.flat.record((*b)[:0], at)
	out := f(*b)
	p.buffers.Put(b)
	return out
}

// write writes the code for records of a schema.
func (p *Predicate) write(s *Schema, tell bool) (*emit.Code, error) {
	c := emit.New(p.opts.Name)
	g := newGen(c, s)
	t, f := c.Label(), c.Label()
	e := f
	if tell {
		e = c.Label()
	}
	if !s.host && s.Size > 0 {
		g.ifConst(emit.Lt, isa.R2, uint64(s.Size), e)
	}
	g.cond(p.root, ways{t, f, e, t})
	for _, end := range []struct {
		l  emit.Label
		r0 int32
	}{{t, int32(True)}, {f, int32(False)}, {e, int32(NoValue)}, {g.punt, leftToGo}} {
		if end.l == e && end.r0 == int32(NoValue) && !tell {
			continue
		}
		c.Bind(end.l)
		c.Return(end.r0)
	}
	if g.err != nil {
		return nil, g.err
	}
	if !tell {
		p.whole = !g.loops && !g.used[g.punt]
	}
	return c, nil
}

// Schema returns the schema that the predicate was compiled for.
func (p *Predicate) Schema() *Schema { return p.schema }

// Engine returns the engine that runs the predicate, and why it is that one.
func (p *Predicate) Engine() (skep.Engine, string) {
	if p.match != nil {
		return skep.EngineJIT, "machine code that reads records in place"
	}
	e, why := p.code.Program().Engine()
	if p.unproved != nil {
		why = fmt.Sprintf("checked code, since that which reads records in place could not be proved safe (%v); %s", p.unproved, why)
	}
	return e, why
}

// Match reports whether the predicate holds of a record that is bytes; what has no value does not. It does not
// allocate.
func (p *Predicate) Match(rec []byte) bool { return p.bytes(rec) }

func (p *Predicate) matchBytes(rec []byte) bool {
	if p.match != nil && !p.schema.host {
		r0, yield := p.match(unsafe.Pointer(unsafe.SliceData(rec)), uint64(len(rec)))
		if yield == 0 && r0 != leftToGo {
			return r0 == uint64(True)
		}
	}
	return p.slowly(rec) == True
}

// slowly is for what machine code does not do.
func (p *Predicate) slowly(rec []byte) Outcome {
	if p.schema.host {
		return NoValue // records are no bytes
	}
	if p.code == nil {
		return evaluate(p.schema, p.root, rec)
	}
	return p.run(p.code, rec)
}

// run runs code on bytes.
func (p *Predicate) run(code *emit.Func, rec []byte) Outcome {
	r0, err := code.Run(rec)
	if err != nil || r0 == leftToGo { // a record too large for guest memory, or too long
		return evaluate(p.layout(), p.root, rec)
	}
	return Outcome(r0)
}

// Eval is Match that tells what has no value.
func (p *Predicate) Eval(rec []byte) Outcome {
	match, code := p.telling()
	if p.schema.host {
		return NoValue
	}
	if match != nil {
		if r0, yield := match(unsafe.Pointer(unsafe.SliceData(rec)), uint64(len(rec))); yield == 0 && r0 != leftToGo {
			return Outcome(r0)
		}
	}
	if code == nil {
		return evaluate(p.schema, p.root, rec)
	}
	return p.run(code, rec)
}

// telling returns the code that tells what has no value. If it is too large, records are evaluated in Go.
func (p *Predicate) telling() (skep.Func, *emit.Func) {
	o := &p.outcome
	o.once.Do(func() {
		if !p.root.fails && p.schema.host {
			o.match, o.code = p.match, p.code
			return
		}
		o.match, o.code, o.err = p.compile(true)
	})
	return o.match, o.code
}

// structOutcome evaluates a record that is a Go struct by code on bytes, or in Go.
func (p *Predicate) structOutcome(code *emit.Func, at unsafe.Pointer) Outcome {
	return Outcome(p.copied(at, func(rec []byte) uint64 {
		if code != nil {
			return uint64(p.run(code, rec))
		}
		return uint64(evaluate(p.flat.schema, p.root, rec))
	}))
}

// Func is a predicate of Go structs of type T. It is safe for concurrent use.
type Func[T any] struct {
	*Predicate
	fast func(*T) bool
}

// CompileFor compiles an expression for records that are Go structs of type T; see StructSchema.
func CompileFor[T any](e Expr, opts *Options) (*Func[T], error) {
	s, err := SchemaFor[T]()
	if err != nil {
		return nil, err
	}
	p, err := Compile(s, e, opts)
	if err != nil {
		return nil, err
	}
	return newFunc[T](p), nil
}

// Typed returns a predicate of a schema of Go structs as one of structs of type T, which must be that struct.
func Typed[T any](p *Predicate) (*Func[T], error) {
	if t := typeOf[T](); p.schema.typ == nil || p.schema.typ.t != t {
		return nil, fmt.Errorf("a predicate of records of %s, not of %s", p.schema.Name, t)
	}
	return newFunc[T](p), nil
}

func newFunc[T any](p *Predicate) *Func[T] {
	f := &Func[T]{Predicate: p}
	var ok bool
	if f.fast, ok = direct[func(*T) bool](p); !ok {
		f.fast = f.match1
	}
	return f
}

// Func returns the predicate as a Go function: the machine code itself, where it has a result for every record. The record
// must not be nil.
func (f *Func[T]) Func() func(*T) bool { return f.fast }

// Match reports whether the predicate holds of a record; what has no value does not, nor does nil. It does not
// allocate, and keeps no reference to the record.
func (f *Func[T]) Match(r *T) bool { return r != nil && f.fast((*T)(noescape(unsafe.Pointer(r)))) }

func (f *Func[T]) match1(r *T) bool {
	at := noescape(unsafe.Pointer(r))
	if f.match != nil {
		r0, yield := f.match(at, 0)
		if yield == 0 && r0 != leftToGo {
			runtime.KeepAlive(r)
			return r0 == uint64(True)
		}
	}
	out := f.structOutcome(f.code, at)
	runtime.KeepAlive(r)
	return out == True
}

// Eval is Match that tells what has no value.
func (f *Func[T]) Eval(r *T) Outcome {
	if r == nil {
		return NoValue
	}
	match, code := f.telling()
	at := noescape(unsafe.Pointer(r))
	if match != nil {
		if r0, yield := match(at, 0); yield == 0 && r0 != leftToGo {
			runtime.KeepAlive(r)
			return Outcome(r0)
		}
	}
	out := f.structOutcome(code, at)
	runtime.KeepAlive(r)
	return out
}

// noescape hides from the compiler that a pointer goes somewhere: nothing keeps it.
//
//go:nosplit
func noescape(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&x))
}

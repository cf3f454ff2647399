// Implements counters: how many records of which a predicate holds there are, by the values of fields.

package event

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Counter counts records. It is safe for concurrent use, without locks: the code of all goroutines adds to the same
// numbers, by atomic instructions.
type Counter struct {
	program
	when  *node
	by    []*node
	slots int
	every uint64 // not 0: it is a sampler, which takes the first of so many
	table *bpfmap.Local
	match skep.Func
	code  *emit.Func
	lost  atomic.Uint64
}

// Count is how many records had some values.
type Count struct {
	Values []string // as they are shown, in the order of the keys
	N      uint64
}

// A slot of the table of counts: its state, the count, the words of the key.
const (
	slotState = 0
	slotCount = 8
	slotKey   = 16

	slotFree  = 0
	slotTaken = 1 // by somebody who is writing the key
	slotReady = 2
)

// What the code of counters returns.
const (
	countNo      = 0
	countYes     = 1
	countFull    = 2 // the table has no room for another key
	countSkipped = 4 // a sampler has counted the record, and does not take it
)

const (
	maxKeyWords = 3
	maxKeys     = 1 << 16
	countsMap   = "counts"
)

// CompileCounter compiles a counter of the records of which when holds, by the values of other expressions: numbers, what
// is true or false, addresses, and texts, of which the first 16 bytes count. All together may have 24 bytes. With Log2 it is a
// histogram. There may be as many different values as max says, at most 65536; the records beyond are lost (Lost). A
// record without one of the values is not counted.
func CompileCounter(s *Schema, when Expr, by []Expr, max int, opts *Options) (*Counter, error) {
	return compileCounter(s, when, by, max, 0, opts)
}

func compileCounter(s *Schema, when Expr, by []Expr, max int, every uint64, opts *Options) (*Counter, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if max < 1 || max > maxKeys {
		return nil, fmt.Errorf("a counter of %d different values: it may have 1 to %d", max, maxKeys)
	}
	c := &Counter{every: every}
	var err error
	if c.when, err = bind(s, when); err != nil {
		return nil, err
	}
	words, err := c.keys(s, by)
	if err != nil {
		return nil, err
	}
	c.set(s, opts, "counter", append([]*node{c.when}, c.by...)...)
	c.slots = 1
	if words > 0 {
		c.slots = 1 << bits.Len(uint(2*max-1))
	}
	size := uint32(slotKey + 8*words)
	c.table, err = bpfmap.New(&spec.Map{Name: countsMap, Type: spec.Array, KeySize: 4, ValueSize: size * uint32(c.slots), MaxEntries: 1}, nil)
	if err != nil {
		return nil, err
	}
	c.match, c.code, err = c.build(map[string]*bpfmap.Local{countsMap: c.table}, &c.unproved, c.write)
	return c, err
}

// keys binds the expressions that records are counted by, and returns how many words they have.
func (c *Counter) keys(s *Schema, by []Expr) (words int, err error) {
	for _, e := range by {
		n, err := (&binder{s: s}).any(e.n)
		switch {
		case err != nil:
			return 0, err
		case n.kind == Time || n.kind == Float || n.kind == IP && n.op != opField:
			return 0, fail(n, "a counter by values of kind %s", n.kind)
		case n.kind.text() && n.op != opField:
			return 0, fail(n, "a counter by a text that is no field")
		case n.wide():
			words++
		}
		words++
		c.by = append(c.by, n)
	}
	if words > maxKeyWords {
		return 0, &Error{Text: fmt.Sprintf("a counter by %d words, at most %d: a text and an address have two", words, maxKeyWords)}
	}
	return words, nil
}

// write writes the code.
func (c *Counter) write(s *Schema) (*emit.Code, error) {
	g := newGen(emit.New(c.opts.Name), s)
	yes, no, full := g.c.Label(), g.c.Label(), g.c.Label()
	if !s.host && s.Size > 0 {
		g.ifConst(emit.Lt, isa.R2, uint64(s.Size), no)
	}
	g.cond(c.when, ways{yes, no, no, yes})
	g.bind(yes)
	var keys []reg
	for _, n := range c.by {
		switch {
		case n.kind.text():
			keys = append(keys, g.head16(n, no)...)
		case n.kind == IP:
			hi, lo := g.pair(n, no)
			keys = append(keys, hi, lo)
		default:
			keys = append(keys, g.value(n, no))
		}
	}
	g.count(keys, c.slots, c.every, full)
	for _, end := range []struct {
		l  emit.Label
		r0 int32
	}{{no, countNo}, {full, countFull}, {g.punt, leftToGo}} {
		g.c.Bind(end.l)
		g.c.Return(end.r0)
	}
	return g.c, g.err
}

// wide reports whether a value has two words in a key.
func (n *node) wide() bool { return n.kind.text() || n.kind == IP }

// head16 returns two registers with the first bytes of a text, behind which there are zeros.
func (g *gen) head16(n *node, e emit.Label) []reg {
	t := g.measured(g.textOf(n, e))
	out := []reg{g.alloc(), g.alloc()}
	p, left, b := g.start(t), g.take(g.sizeReg(t)), g.alloc()
	for w, r := range out {
		short, whole := g.c.Label(), g.c.Label()
		g.ifConst(emit.Lt, left, uint64(8*w+8), short)
		g.op(isa.Ldx64, r, p, 8*w, 0)
		g.goTo(whole)
		g.bind(short)
		g.constant(r, 0)
		for i := 6; i >= 0; i-- {
			skip := g.c.Label()
			g.ifConst(emit.Le, left, uint64(8*w+i), skip)
			g.op(isa.Lsh64Imm, r, 0, 0, 8)
			g.op(isa.Ldx8, b, p, 8*w+i, 0)
			g.op(isa.Or64Reg, r, b, 0, 0)
			g.bind(skip)
		}
		g.bind(whole)
	}
	g.release(p, left, b)
	return out
}

// count adds one to the count of a key, and returns from the code. every is 0, or says that one in so many is taken.
func (g *gen) count(keys []reg, slots int, every uint64, full emit.Label) {
	size := slotKey + 8*len(keys)
	r0 := isa.R0
	if g.regs[r0].held > 0 { // a key: atomic instructions want it
		for i, k := range keys {
			if k == r0 {
				keys[i] = g.copyOf(r0)
			}
		}
		g.regs[r0] = slot{}
	}
	g.regs[r0] = slot{held: 1}
	at := g.alloc()
	if len(keys) > 0 {
		idx, t := g.alloc(), g.alloc()
		g.constant(idx, 0)
		for _, k := range keys {
			g.op(isa.Xor64Reg, idx, k, 0, 0)
			g.constant(t, 0x9e3779b97f4a7c15)
			g.op(isa.Mul64Reg, idx, t, 0, 0)
			g.op(isa.Mov64Reg, t, idx, 0, 0)
			g.op(isa.Rsh64Imm, t, 0, 0, 32)
			g.op(isa.Xor64Reg, idx, t, 0, 0)
		}
		g.probe(keys, idx, at, t, slots, size, full)
		g.release(idx, t)
	} else {
		g.mapValue(at)
	}
	g.constant(r0, 1)
	if every > 0 {
		skip := g.c.Label()
		g.op(isa.AtomicFetchAdd64, at, r0, slotCount, 0)
		g.op(isa.Mod64Imm, r0, 0, 0, int32(every))
		g.ifConst(emit.Ne, r0, 0, skip)
		g.returns(countYes)
		g.bind(skip)
		g.returns(countSkipped)
	} else {
		g.op(isa.AtomicAdd64, at, r0, slotCount, 0)
		g.returns(countYes)
	}
	g.release(append(keys, at, r0)...)
}

func (g *gen) returns(r0 int32) {
	g.op(isa.Mov64Imm, isa.R0, 0, 0, r0)
	g.op(isa.Exit, 0, 0, 0, 0)
	g.live = false
}

func (g *gen) mapValue(r reg) {
	if g.live {
		g.c.MapValue(r, countsMap, 0)
	}
}

// probe finds the slot of a key, or makes a free one its slot, and puts the address into at.
func (g *gen) probe(keys []reg, idx, at, t reg, slots, size int, full emit.Label) {
	next, claim, found, retry := g.c.Label(), g.c.Label(), g.c.Label(), g.c.Label()
	r0 := isa.R0
	g.forget()
	// The upper half of idx counts the tries.
	g.op(isa.And64Imm, idx, 0, 0, int32(slots-1))
	again := g.head()
	g.op(isa.Mov64Reg, t, idx, 0, 0)
	g.op(isa.And64Imm, t, 0, 0, int32(slots-1))
	g.op(isa.Mul64Imm, t, 0, 0, int32(size))
	g.mapValue(at)
	g.op(isa.Add64Reg, at, t, 0, 0)
	g.op(isa.LoadAcq64, t, at, slotState, 0)
	g.ifConst(emit.Eq, t, slotFree, claim)
	g.constant(r0, slotReady)
	g.back(emit.Ne, t, r0, again) // somebody is at it
	for i, k := range keys {
		g.op(isa.Ldx64, t, at, slotKey+8*i, 0)
		g.ifReg(emit.Ne, t, k, next)
	}
	g.goTo(found)
	g.bind(next)
	g.constant(t, 1<<32+1)
	g.op(isa.Add64Reg, idx, t, 0, 0)
	g.op(isa.Mov64Reg, t, idx, 0, 0)
	g.op(isa.Rsh64Imm, t, 0, 0, 32)
	g.ifConst(emit.Ge, t, uint64(slots), full)
	g.jumpBack(again)
	g.bind(claim)
	g.constant(t, slotTaken)
	g.constant(r0, slotFree)
	g.op(isa.AtomicCmpxchg64, at, t, slotState, 0)
	// Jumps back give way to the scheduler, taken or not, and none may do so between here and the store: all others would
	// wait for it.
	g.ifConst(emit.Ne, r0, slotFree, retry)
	for i, k := range keys {
		g.op(isa.Stx64, at, k, slotKey+8*i, 0)
	}
	g.constant(t, slotReady)
	g.op(isa.StoreRel64, at, t, slotState, 0)
	g.goTo(found)
	g.bind(retry)
	g.constant(t, 0) // the jump to here would lead back itself if there were nothing here but a jump
	g.jumpBack(again)
	g.bind(found)
}

// Count counts a record that is bytes, and reports whether it did. It does not allocate.
func (c *Counter) Count(rec []byte) bool {
	if c.schema.host {
		return false
	}
	if c.match != nil {
		for range countTries {
			r0, yield := c.match(unsafe.Pointer(unsafe.SliceData(rec)), uint64(len(rec)))
			if yield == 0 && r0 != leftToGo {
				return c.counted(r0)
			}
			if yield == 0 {
				break
			}
		}
	}
	return c.counted(c.slowly(rec))
}

// countTries is how often code that gave way to the scheduler is called again before Go counts.
const countTries = 3

func (c *Counter) counted(r0 uint64) bool {
	if r0 == countFull {
		c.lost.Add(1)
	}
	return r0 == countYes
}

// slowly counts by the interpreter or in Go.
func (c *Counter) slowly(rec []byte) uint64 {
	if c.code != nil {
		if r0, err := c.code.Run(rec); err == nil && r0 != leftToGo {
			return r0
		}
	}
	return c.countInGo(rec)
}

// CounterOf is a counter of Go structs of type T. It is safe for concurrent use.
type CounterOf[T any] struct{ *Counter }

// CompileCounterFor compiles a counter of records that are Go structs of type T; see CompileCounter.
func CompileCounterFor[T any](when Expr, by []Expr, max int, opts *Options) (*CounterOf[T], error) {
	s, err := SchemaFor[T]()
	if err != nil {
		return nil, err
	}
	c, err := CompileCounter(s, when, by, max, opts)
	if err != nil {
		return nil, err
	}
	return &CounterOf[T]{c}, nil
}

// Count counts a record, and reports whether it did. It does not allocate, and keeps no reference to the record.
func (c *CounterOf[T]) Count(rec *T) bool {
	if rec == nil {
		return false
	}
	at := noescape(unsafe.Pointer(rec))
	for range countTries {
		if c.match == nil {
			break
		}
		r0, yield := c.match(at, 0)
		if yield == 0 && r0 != leftToGo {
			runtime.KeepAlive(rec)
			return c.counted(r0)
		}
		if yield == 0 {
			break
		}
	}
	r0 := c.copied(at, c.slowly)
	runtime.KeepAlive(rec)
	return c.counted(r0)
}

// Lost returns how many records were not counted because there was no room for another key.
func (c *Counter) Lost() uint64 { return c.lost.Load() }

// Total returns how many records were counted.
func (c *Counter) Total() (n uint64) {
	c.each(func(slot []byte) { n += load(slot, slotCount) })
	return n
}

// each calls f with each slot that has a key.
func (c *Counter) each(f func(slot []byte)) {
	table, size := c.table.Memory(), c.slotSize()
	for i := range c.slots {
		if s := table[i*size : (i+1)*size]; c.slots == 1 || load(s, slotState) == slotReady {
			f(s)
		}
	}
}

// slotSize is the size of a slot.
func (c *Counter) slotSize() int { return int(c.table.Spec().ValueSize) / c.slots }

func load(slot []byte, at int) uint64 { return atomic.LoadUint64((*uint64)(unsafe.Pointer(&slot[at]))) }

// Counts returns the counts, the greatest first.
func (c *Counter) Counts() []Count {
	var out []Count
	c.each(func(slot []byte) {
		n := load(slot, slotCount)
		if n == 0 {
			return
		}
		v, at := Count{N: n}, slotKey
		for _, k := range c.by {
			v.Values = append(v.Values, show(k, slot[at:]))
			if at += 8; k.wide() {
				at += 8
			}
		}
		out = append(out, v)
	})
	slices.SortFunc(out, func(a, b Count) int {
		switch {
		case a.N != b.N && a.N > b.N:
			return -1
		case a.N != b.N:
			return 1
		}
		return slices.Compare(a.Values, b.Values)
	})
	return out
}

// show shows a value of a key.
func show(n *node, key []byte) string {
	v := binary.LittleEndian.Uint64(key)
	switch {
	case n.kind == IP:
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], v)
		binary.BigEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(key[8:]))
		return netip.AddrFrom16(b).Unmap().String()
	case n.kind.text():
		return strings.TrimRight(string(key[:16]), "\x00")
	case n.kind == Bool:
		return fmt.Sprint(v != 0)
	case n.kind == Uint:
		return fmt.Sprint(v)
	case n.kind == Duration:
		return time.Duration(v).String()
	}
	return fmt.Sprint(int64(v))
}

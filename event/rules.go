// Implements rule sets: which of many predicates is the first that holds.

package event

import (
	"fmt"
	"math"
	"runtime"
	"unsafe"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// Rules is a compiled list of predicates. It is safe for concurrent use.
type Rules struct {
	program
	roots []*node
	match skep.Func
	code  *emit.Func
	stats RuleStats
}

// RuleStats says what a rule set was made into.
type RuleStats struct {
	Indexed []string // fields that are looked at once for all rules
	Exact   int      // rules that the look at these fields decides alone
	Insns   int      // instructions
}

// ruleLeftToGo is what code returns that leaves a record to Go; the number of a rule is returned counted from 1.
const ruleLeftToGo = math.MaxInt32

// maxRules bounds rule sets.
const maxRules = 20000

// CompileRules compiles a list of predicates into one program. Fields that many of them compare with constants are
// looked at once: that leaves the rules that may still hold, which are judged in their order.
func CompileRules(s *Schema, rules []Expr, opts *Options) (*Rules, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if len(rules) > maxRules {
		return nil, fmt.Errorf("%d rules, at most %d", len(rules), maxRules)
	}
	r := &Rules{roots: make([]*node, len(rules))}
	for i, e := range rules {
		root, err := bind(s, e)
		if err != nil {
			return nil, fmt.Errorf("rule %d: %w", i, err)
		}
		r.roots[i] = root
	}
	r.set(s, opts, "rules", r.roots...)
	var err error
	r.match, r.code, err = r.build(nil, &r.unproved, r.write)
	return r, err
}

// Stats says what the rule set was made into.
func (r *Rules) Stats() RuleStats { return r.stats }

// write writes the code.
func (r *Rules) write(s *Schema) (*emit.Code, error) {
	g := newGen(emit.New(r.opts.Name), s)
	w := &ruleWriter{gen: g, roots: r.roots, hit: make([]emit.Label, len(r.roots)), none: g.c.Label(), x: newIndex(s, r.roots)}
	for i := range w.hit {
		w.hit[i] = g.c.Label()
	}
	if !s.host && s.Size > 0 {
		g.ifConst(emit.Lt, isa.R2, uint64(s.Size), w.none)
	}
	if len(w.x.fields) == 0 {
		for i, root := range r.roots {
			next := g.c.Label()
			g.cond(root, ways{w.hit[i], next, next, next})
			g.bind(next)
		}
		g.goTo(w.none)
	} else {
		w.lookUp()
	}
	for i, l := range w.hit {
		g.c.Bind(l)
		g.c.Return(int32(i + 1))
	}
	g.c.Bind(w.none)
	g.c.Return(0)
	g.c.Bind(g.punt)
	g.c.Const(isa.R0, ruleLeftToGo)
	g.c.Op(isa.Exit, 0, 0, 0, 0)
	r.stats = RuleStats{Indexed: w.x.names(s), Exact: w.x.exact, Insns: g.c.Len()}
	return g.c, g.err
}

// Match returns the number of the first rule, from 0, that holds of a record that is bytes, or -1. It does not allocate.
func (r *Rules) Match(rec []byte) int {
	if r.match != nil && !r.schema.host {
		if r0, yield := r.match(unsafe.Pointer(unsafe.SliceData(rec)), uint64(len(rec))); yield == 0 && r0 != ruleLeftToGo {
			return int(r0) - 1
		}
	}
	if r.schema.host {
		return -1 // records are no bytes
	}
	return int(r.slowly(rec)) - 1
}

// slowly returns the number of the first rule that holds, from 1, by the interpreter or in Go.
func (r *Rules) slowly(rec []byte) uint64 {
	if r.code != nil {
		if r0, err := r.code.Run(rec); err == nil && r0 != ruleLeftToGo {
			return r0
		}
	}
	for i, root := range r.roots {
		if evaluate(r.layout(), root, rec) == True {
			return uint64(i + 1)
		}
	}
	return 0
}

// RuleSet is rules of Go structs of type T. It is safe for concurrent use.
type RuleSet[T any] struct{ *Rules }

// CompileRulesFor compiles rules for records that are Go structs of type T; see CompileRules.
func CompileRulesFor[T any](rules []Expr, opts *Options) (*RuleSet[T], error) {
	s, err := SchemaFor[T]()
	if err != nil {
		return nil, err
	}
	r, err := CompileRules(s, rules, opts)
	if err != nil {
		return nil, err
	}
	return &RuleSet[T]{r}, nil
}

// Match returns the number of the first rule, from 0, that holds of a record, or -1. It does not allocate, and keeps no
// reference to the record.
func (r *RuleSet[T]) Match(rec *T) int {
	if rec == nil {
		return -1
	}
	at := noescape(unsafe.Pointer(rec))
	if r.match != nil {
		if r0, yield := r.match(at, 0); yield == 0 && r0 != ruleLeftToGo {
			runtime.KeepAlive(rec)
			return int(r0) - 1
		}
	}
	n := r.copied(at, r.slowly)
	runtime.KeepAlive(rec)
	return int(n) - 1
}

// Implements binding what is computed of numbers, and what is asked of texts.

package event

import (
	"math"
	"math/big"
	"regexp"
	"strings"

	"github.com/skepbpf/skep/internal/automaton"
)

func (b *binder) calc(n *node) (*node, error) {
	x, y := n.args[0], n.args[1]
	bitwise := n.arith >= BitAnd
	switch {
	case !x.kind.integer() || !y.kind.integer():
		return nil, fail(n, "%s of a %s and a %s: only whole numbers are computed with", n.arith, x.kind, y.kind)
	case bitwise && x.kind != Duration && y.kind != Duration:
		if n.kind = x.kind; y.kind == Uint {
			n.kind = Uint
		}
	case x.kind != y.kind:
		return nil, fail(n, "%s of a %s and a %s", n.arith, x.kind, y.kind)
	case x.kind == Duration && n.arith != Add && n.arith != Sub:
		return nil, fail(n, "%s of two durations", n.arith)
	default:
		n.kind = x.kind
	}
	n.cost += 2
	n.fails = n.fails || !bitwise
	if x.op == opConst && y.op == opConst {
		if v, ok := calculate(n.arith, n.kind, x.val.i, y.val.i); ok {
			return constant(value{kind: n.kind, i: v}).n, nil
		}
	}
	return n, nil
}

// calculate is an operation on two numbers of a kind, and whether it has a result.
func calculate(op Arithmetic, k Kind, x, y int64) (int64, bool) {
	var bx, by big.Int
	bx.SetInt64(x)
	by.SetInt64(y)
	if k == Uint {
		bx.SetUint64(uint64(x))
		by.SetUint64(uint64(y))
	}
	switch op {
	case BitAnd:
		return x & y, true
	case BitOr:
		return x | y, true
	case BitXor:
		return x ^ y, true
	case Add:
		bx.Add(&bx, &by)
	case Sub:
		bx.Sub(&bx, &by)
	case Mul:
		bx.Mul(&bx, &by)
	case Div, Mod:
		if y == 0 || op == Mod && k != Uint && x == math.MinInt64 && y == -1 {
			return 0, false
		}
		if op == Div {
			bx.Quo(&bx, &by)
		} else {
			bx.Rem(&bx, &by)
		}
	}
	if k == Uint {
		return int64(bx.Uint64()), bx.IsUint64()
	}
	return bx.Int64(), bx.IsInt64()
}

func (b *binder) convert(n *node) (*node, error) {
	x := n.args[0]
	switch {
	case !x.kind.integer() || n.kind != Int && n.kind != Uint:
		return nil, fail(n, "a %s cannot be made a %s", x.kind, n.kind)
	case x.kind == n.kind || x.kind == Duration && n.kind == Int:
		out := *x
		out.kind = n.kind
		out.val.kind = n.kind
		return &out, nil
	}
	n.fails = true
	n.cost++
	return n, nil
}

// The costs of going through a text.
const (
	costContains  = 30
	costAutomaton = 80
	costRunes     = 40
)

func (b *binder) textNode(n *node) (*node, error) {
	x := n.args[0]
	if !x.kind.text() {
		return nil, fail(n, "this needs a text, and has a %s", x.kind)
	}
	n.kind = Bool
	switch n.op {
	case opLen:
		n.kind, n.cost = Int, n.cost+1
	case opRunes:
		n.kind, n.cost = Int, n.cost+costRunes
	case opPrefix, opSuffix:
		n.cost += 3
	case opContains:
		n.cost += costContains
	case opAutomaton:
		n.cost += costAutomaton
		return b.pattern(n)
	}
	return b.constantText(n)
}

// constantText finishes a test of a text.
func (b *binder) constantText(n *node) (*node, error) {
	x := n.args[0]
	if (n.op == opPrefix || n.op == opSuffix || n.op == opContains) && n.text == "" {
		return b.present(n), nil
	}
	if x.op == opConst {
		v, ok := evalText(n, []byte(x.val.s))
		if ok {
			return constant(v).n, nil
		}
	}
	return n, nil
}

// pattern binds a glob or a regular expression. Simple globs are other tests.
func (b *binder) pattern(n *node) (*node, error) {
	var err error
	if n.glob {
		if m := simpleGlob(n); m != nil {
			if m.op == opCompare {
				return b.compare(m)
			}
			return b.constantText(m)
		}
		n.dfa, err = automaton.Glob(n.text)
	} else if n.re, err = regexp.Compile(n.text); err == nil {
		n.dfa, err = automaton.Regexp(n.text)
	}
	if err != nil {
		return nil, fail(n, "pattern %q: %v", n.text, err)
	}
	return b.constantText(n)
}

// simpleGlob returns what a glob is that needs no automaton: the text itself, or with a * at one end or both.
func simpleGlob(n *node) *node {
	if strings.ContainsAny(n.text, "?[\\") {
		return nil
	}
	text, before := strings.CutPrefix(n.text, "*")
	text, behind := strings.CutSuffix(text, "*")
	if strings.Contains(text, "*") {
		return nil
	}
	out := *n
	out.text = text
	switch {
	case before && behind || before && text == "":
		out.op = opContains
	case before:
		out.op = opSuffix
	case behind:
		out.op = opPrefix
	default:
		out.op, out.cmp = opCompare, Equal
		v := constant(value{kind: n.args[0].kind, s: text}).n
		out.args = []*node{n.args[0], v}
	}
	return &out
}

// present is true wherever the argument has a value.
func (b *binder) present(n *node) *node {
	x := n.args[0]
	if !x.fails {
		return truth(true)
	}
	return &node{op: opCompare, cmp: GreaterEqual, kind: Bool, cost: n.cost, fails: true, pos: n.pos,
		args: []*node{{op: opLen, args: []*node{x}, kind: Int, cost: n.cost, fails: true}, IntValue(0).n}}
}

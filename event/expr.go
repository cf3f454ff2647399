// Implements expressions: what predicates are made of, before they are bound to the fields of a schema.

package event

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"time"

	"github.com/skepbpf/skep/internal/automaton"
)

// Expr is an expression. It does not change, and may be part of several others. The zero value is none.
type Expr struct{ n *node }

// op is what a node does with its arguments.
type op uint8

const (
	opConst op = iota
	opField
	opNot
	opAnd
	opOr
	opIf // of three
	opCompare
	opArith
	opLen   // bytes
	opRunes // characters
	opPrefix
	opSuffix
	opContains
	opAutomaton // glob or regular expression
	opIn        // one of list
	opNet       // an address in one of nets
	opHas
	opConvert
	opLog2
)

// node is a node of an expression.
type node struct {
	op    op
	pos   int // byte of the source text, from 1; 0: not known
	args  []*node
	name  string // of a field, as written
	cmp   Comparison
	arith Arithmetic
	val   value
	text  string // pattern
	glob  bool   // of an automaton: the pattern is a glob
	raw   bool   // of a field that is a text: all its bytes count, also behind a NUL
	trim  bool   // of one that is raw: but for the last
	list  []value
	nets  []netip.Prefix

	// Of bound nodes alone.
	kind  Kind
	field int // number in the schema
	cost  int
	fails bool // it may have no value
	dfa   *automaton.Automaton
	re    *regexp.Regexp // nil: the automaton says it all
}

// value is a constant. Numbers of 64 bits are in i, unsigned ones too, as they are.
type value struct {
	kind Kind
	i    int64
	f    float64
	s    string
	a    netip.Addr // unmapped
	t    time.Time
}

// Comparison is a comparison of two values.
type Comparison uint8

// The comparisons.
const (
	Equal Comparison = iota
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
)

var comparisonNames = [...]string{"==", "!=", "<", "<=", ">", ">="}

// String returns the comparison as it is written.
func (c Comparison) String() string { return comparisonNames[c] }

// mirrored is the comparison with its sides exchanged.
func (c Comparison) mirrored() Comparison {
	return [...]Comparison{Equal, NotEqual, Greater, GreaterEqual, Less, LessEqual}[c]
}

// Arithmetic is an operation on two whole numbers.
type Arithmetic uint8

// The operations. Those of Add to Mod have no value if the result does not fit 64 bits or the divisor is zero;
// divisions round towards zero.
const (
	Add Arithmetic = iota
	Sub
	Mul
	Div
	Mod
	BitAnd
	BitOr
	BitXor
)

var arithmeticNames = [...]string{"+", "-", "*", "/", "%", "&", "|", "^"}

// String returns the operation as it is written.
func (a Arithmetic) String() string { return arithmeticNames[a] }

func constant(v value) Expr { return Expr{&node{op: opConst, val: v, kind: v.kind}} }

// BoolValue is a constant, as the other functions with such names.
func BoolValue(v bool) Expr {
	x := value{kind: Bool}
	if v {
		x.i = 1
	}
	return constant(x)
}

// IntValue is a signed number.
func IntValue(v int64) Expr { return constant(value{kind: Int, i: v}) }

// UintValue is an unsigned number.
func UintValue(v uint64) Expr { return constant(value{kind: Uint, i: int64(v)}) }

// FloatValue is a floating-point number.
func FloatValue(v float64) Expr { return constant(value{kind: Float, f: v}) }

// StringValue is text.
func StringValue(v string) Expr { return constant(value{kind: String, s: v}) }

// BytesValue is bytes.
func BytesValue(v []byte) Expr { return constant(value{kind: Bytes, s: string(v)}) }

// AddrValue is an IP address. Its zone, if it has one, counts for nothing.
func AddrValue(v netip.Addr) Expr { return constant(value{kind: IP, a: v.Unmap().WithZone("")}) }

// DurationValue is a span of time.
func DurationValue(v time.Duration) Expr { return constant(value{kind: Duration, i: int64(v)}) }

// TimeValue is a point in time.
func TimeValue(v time.Time) Expr { return constant(value{kind: Time, t: v.Round(0).UTC()}) }

// At returns e with the place in a source text, counted in bytes from 1, that errors about it name.
func (e Expr) At(pos int) Expr {
	n := *e.n
	n.pos = pos
	return Expr{&n}
}

func make1(o op, args ...Expr) *node {
	n := &node{op: o}
	for _, a := range args {
		n.args = append(n.args, a.n)
	}
	return n
}

// FieldValue is the value of a field of the record. It has none if the field is not there.
func FieldValue(name string) Expr { return Expr{&node{op: opField, name: name}} }

// Has tells whether a field is there.
func Has(name string) Expr { return Expr{&node{op: opHas, name: name}} }

// Not is true if e is false.
func Not(e Expr) Expr { return Expr{make1(opNot, e)} }

// And is true if all are true, and false if one is false, whether the others have a value or not.
func And(e ...Expr) Expr { return Expr{make1(opAnd, e...)} }

// Or is true if one is true, whether the others have a value or not, and false if all are false.
func Or(e ...Expr) Expr { return Expr{make1(opOr, e...)} }

// If is yes if cond is true and no if it is false: all are true or false.
func If(cond, yes, no Expr) Expr { return Expr{make1(opIf, cond, yes, no)} }

// Compare compares two values. Whole numbers and constants of any kind compare by what they are worth. Text compares
// byte by byte. A NaN is not equal to anything, and neither less nor greater.
func Compare(c Comparison, a, b Expr) Expr {
	n := make1(opCompare, a, b)
	n.cmp = c
	return Expr{n}
}

// Calc is an operation on two whole numbers.
func Calc(op Arithmetic, a, b Expr) Expr {
	n := make1(opArith, a, b)
	n.arith = op
	return Expr{n}
}

// Convert is a whole number as one of kind Int or Uint. It has no value if it does not fit.
func Convert(k Kind, e Expr) Expr {
	n := make1(opConvert, e)
	n.kind = k
	return Expr{n}
}

// Len is the number of bytes of a text.
func Len(e Expr) Expr { return Expr{make1(opLen, e)} }

// Runes is the number of characters of a text; bytes that are no UTF-8 count each.
func Runes(e Expr) Expr { return Expr{make1(opRunes, e)} }

func pattern(o op, e Expr, text string) Expr {
	n := make1(o, e)
	n.text = text
	return Expr{n}
}

// HasPrefix tells whether a text starts with another.
func HasPrefix(e Expr, prefix string) Expr { return pattern(opPrefix, e, prefix) }

// HasSuffix tells whether a text ends with another.
func HasSuffix(e Expr, suffix string) Expr { return pattern(opSuffix, e, suffix) }

// Contains tells whether a text contains another.
func Contains(e Expr, part string) Expr { return pattern(opContains, e, part) }

// Glob tells whether a text as a whole is like a glob: * is any bytes, ? any byte, [a-z] one of some, [!a-z] one of
// the others, \ takes the next byte as it is.
func Glob(e Expr, glob string) Expr {
	out := pattern(opAutomaton, e, glob)
	out.n.glob = true
	return out
}

// Match tells whether a text contains a match of a regular expression, in the syntax of package regexp. There are no
// word boundaries, and ^ and $ stand for the start and the end of the text only.
func Match(e Expr, expression string) Expr { return pattern(opAutomaton, e, expression) }

// In tells whether a value is among constants.
func In(e Expr, list ...Expr) Expr {
	n := make1(opIn, e)
	for _, c := range list {
		n.list = append(n.list, c.n.val)
		if c.n.op != opConst {
			n.list[len(n.list)-1] = value{} // binding says so
		}
	}
	return Expr{n}
}

// InNet tells whether an address is in one of some networks.
func InNet(e Expr, nets ...netip.Prefix) Expr {
	n := make1(opNet, e)
	n.nets = append(n.nets, nets...)
	return Expr{n}
}

// AnyBit tells whether a whole number has one of some bits.
func AnyBit(e Expr, mask uint64) Expr {
	return Compare(NotEqual, Calc(BitAnd, e, UintValue(mask)), UintValue(0))
}

func (v *value) String() string {
	switch v.kind {
	case Bool:
		return fmt.Sprint(v.i != 0)
	case Int:
		return fmt.Sprint(v.i)
	case Uint:
		return fmt.Sprint(uint64(v.i))
	case Float:
		return fmt.Sprint(v.f)
	case String, Bytes:
		return fmt.Sprintf("%q", v.s)
	case IP:
		return v.a.String()
	case Duration:
		return time.Duration(v.i).String()
	case Time:
		return v.t.Format(time.RFC3339Nano)
	}
	return "nothing"
}

// maxInt is the greatest signed number.
const maxInt = math.MaxInt64

// Error says why an expression cannot be compiled, and where in its text.
type Error struct {
	Pos  int // byte of the text, from 1; 0: the expression has no text
	Text string
}

func (e *Error) Error() string {
	if e.Pos == 0 {
		return e.Text
	}
	return fmt.Sprintf("at byte %d: %s", e.Pos, e.Text)
}

// Constant reports whether e is a constant.
func (e Expr) Constant() bool { return e.n != nil && e.n.op == opConst }

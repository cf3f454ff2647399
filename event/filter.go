// Implements the language of the kernel's event filters: its grammar.

package event

import (
	"fmt"
	"math/big"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// FilterOptions says what names in filters mean that records do not tell. The zero value, and nil, know none.
type FilterOptions struct {
	// Function returns the addresses, from lo up to but not hi, of a function of the kernel, for FIELD.function.
	Function func(name string) (lo, hi uint64, ok bool)
}

// ParseFilter reads an event filter (the kernel's Documentation/trace/events.rst): tests of a field against a constant,
// joined by && and ||, of which && binds closer, with ! and parentheses.
//
//	common_pid != 0 && (bytes_req >= 4096 || comm ~ "nginx*")
//
// Numbers have == != < <= > >= and &, which is that both have a bit in common; texts have == != and ~, like a glob, of
// a text in quotes of either kind. CPUS{0-3,8} is a set of processors: == that it is just the field's, & that it has
// it. FIELD.function == "name" is that an address is in a function of the kernel. FIELD.ustring is FIELD, if that is a
// text.
//
// With events of the kernel, constants are cut to the size of the field, as the kernel does. With other schemas they
// count as they are; true and false, addresses and networks ("10.0.0.0/8"), durations (250ms) and times
// ("2026-01-02T15:04:05Z") are constants too.
//
// The error is an *Error.
func ParseFilter(s *Schema, text string, opts *FilterOptions) (Expr, error) {
	p := &filterParser{s: s, text: text}
	if opts != nil {
		p.opts = *opts
	}
	if len(text) > maxFilter {
		return Expr{}, &Error{Text: fmt.Sprintf("a filter of %d bytes, at most %d", len(text), maxFilter)}
	}
	e, err := p.or(0)
	if err == nil && p.skip() < len(text) {
		err = p.errorf("%q is more than a filter: && or || was expected", p.rest())
	}
	return e, err
}

// maxFilter bounds filters, bytes.
const maxFilter = 1 << 20

type filterParser struct {
	s    *Schema
	opts FilterOptions
	text string
	at   int
}

// skip goes over white space and returns where the text goes on.
func (p *filterParser) skip() int {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	return p.at
}

// rest is the beginning of what is left, for errors.
func (p *filterParser) rest() string {
	s := p.text[p.at:]
	if len(s) > 20 {
		s = s[:20]
	}
	return s
}

func (p *filterParser) errorf(format string, args ...any) error {
	return &Error{Pos: p.at + 1, Text: fmt.Sprintf(format, args...)}
}

// accept goes over s if it comes next.
func (p *filterParser) accept(s string) bool {
	p.skip()
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

// list reads what one operator joins.
func (p *filterParser) list(depth int, operator string, one func(int) (Expr, error), join func(...Expr) Expr) (Expr, error) {
	e, err := one(depth)
	all := []Expr{e}
	for err == nil && p.accept(operator) {
		if e, err = one(depth); err == nil {
			all = append(all, e)
		}
	}
	if err != nil || len(all) == 1 {
		return all[0], err
	}
	return join(all...), nil
}

func (p *filterParser) or(depth int) (Expr, error)  { return p.list(depth, "||", p.and, Or) }
func (p *filterParser) and(depth int) (Expr, error) { return p.list(depth, "&&", p.unary, And) }

func (p *filterParser) unary(depth int) (Expr, error) {
	if depth > maxDepth/4 {
		return Expr{}, p.errorf("more than %d parentheses and ! inside each other", maxDepth/4)
	}
	if p.accept("!") {
		e, err := p.unary(depth + 1)
		if err != nil {
			return e, err
		}
		return Not(e), nil
	}
	start := p.skip()
	if !p.accept("(") {
		return p.predicate()
	}
	e, err := p.or(depth + 1)
	if err == nil && !p.accept(")") {
		err = p.errorf("there is no ) for the ( at byte %d", start+1)
	}
	return e, err
}

// filterOps are the operators; those that others start with come behind these.
var filterOps = []string{"==", "!=", "~", "<=", "<", ">=", ">", "&"}

func isName(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// word reads a name.
func (p *filterParser) word() string {
	start := p.skip()
	for p.at < len(p.text) && isName(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

// test is a predicate as it is written.
type test struct {
	p        *filterParser
	field    *Field
	suffix   string // ustring or function
	op       string
	at       int // where the operator is
	value    string
	quoted   bool
	valueAt  int
	fieldPos int
}

// predicate reads FIELD OPERATOR VALUE.
func (p *filterParser) predicate() (Expr, error) {
	start := p.skip()
	name := p.word()
	if name == "" {
		return Expr{}, p.errorf("a field was expected, not %q", p.rest())
	}
	t := &test{p: p, fieldPos: start}
	for _, suffix := range []string{"ustring", "function"} {
		if base, ok := strings.CutSuffix(name, "."+suffix); ok && p.s.Field(name) == nil {
			name, t.suffix = base, suffix
		}
	}
	if t.field = p.s.Field(name); t.field == nil {
		_, err := (&binder{s: p.s}).fieldNode(&node{name: name, pos: start + 1})
		return Expr{}, err
	}
	t.at = p.skip()
	for _, op := range filterOps {
		if p.accept(op) {
			t.op = op
			break
		}
	}
	if t.op == "" || strings.HasPrefix(p.text[t.at:], "&&") {
		p.at = t.at
		if t.field.Kind == Bool {
			return FieldValue(name).At(start + 1), nil
		}
		return Expr{}, p.errorf("an operator was expected behind %q (%s), not %q", name, strings.Join(filterOps, " "), p.rest())
	}
	if err := t.readValue(); err != nil {
		return Expr{}, err
	}
	return t.expr()
}

// readValue reads a constant: in quotes, CPUS{…}, or up to what cannot be part of a number.
func (t *test) readValue() error {
	p := t.p
	t.valueAt = p.skip()
	if p.at < len(p.text) && (p.text[p.at] == '"' || p.text[p.at] == '\'') {
		end := strings.IndexByte(p.text[p.at+1:], p.text[p.at])
		if end < 0 {
			return p.errorf("there is no second %c", p.text[p.at])
		}
		t.value, t.quoted = p.text[p.at+1:p.at+1+end], true
		p.at += end + 2
		return nil
	}
	if strings.HasPrefix(p.text[p.at:], "CPUS{") {
		end := strings.IndexByte(p.text[p.at:], '}')
		if end < 0 {
			return p.errorf("there is no } for CPUS{")
		}
		t.value = p.text[p.at : p.at+end+1]
		p.at += end + 1
		return nil
	}
	start := p.at
	for p.at < len(p.text) && (isName(p.text[p.at]) || p.at == start && strings.IndexByte("+-", p.text[p.at]) >= 0 ||
		t.field.Kind == Float && p.at > start && strings.IndexByte("+-", p.text[p.at]) >= 0 && strings.IndexByte("eE", p.text[p.at-1]) >= 0) {
		p.at++
	}
	if t.value = p.text[start:p.at]; t.value == "" {
		return p.errorf("a value was expected behind %s, not %q", t.op, p.rest())
	}
	return nil
}

// errorf is an error about the value.
func (t *test) errorf(format string, args ...any) error {
	return &Error{Pos: t.valueAt + 1, Text: fmt.Sprintf(format, args...)}
}

// comparison returns the operator as one of those that all numbers have.
func (t *test) comparison() (Comparison, bool) {
	for c, name := range comparisonNames {
		if name == t.op {
			return Comparison(c), true
		}
	}
	return 0, false
}

// expr returns the predicate as an expression.
func (t *test) expr() (Expr, error) {
	f := FieldValue(t.field.Name).At(t.fieldPos + 1)
	kind := t.field.Kind
	cmp, compares := t.comparison()
	switch {
	case t.suffix == "ustring" && !kind.text():
		return Expr{}, &Error{Pos: t.fieldPos + 1, Text: fmt.Sprintf("%s.ustring: the text that field %q points to is not in the record", t.field.Name, t.field.Name)}
	case t.suffix == "function":
		return t.function(f)
	case strings.HasPrefix(t.value, "CPUS{") && !t.quoted:
		return t.cpus(f)
	case kind.text():
		return t.text(f)
	case kind == IP:
		return t.addr(f)
	case t.op == "~":
		return Expr{}, &Error{Pos: t.at + 1, Text: fmt.Sprintf("~ is for texts, and field %q is a %s", t.field.Name, kind)}
	case t.op == "&" && (kind == Int || kind == Uint):
		v, err := t.number()
		return Compare(NotEqual, Calc(BitAnd, f, v), UintValue(0)).At(t.at + 1), err
	case !compares:
		return Expr{}, &Error{Pos: t.at + 1, Text: fmt.Sprintf("%s is not for a %s, as field %q is", t.op, kind, t.field.Name)}
	}
	v, err := t.number()
	return Compare(cmp, f, v).At(t.at + 1), err
}

// number reads a value that is a number of some sort.
func (t *test) number() (Expr, error) {
	kind := t.field.Kind
	if t.quoted && kind != Time && kind != Duration {
		return Expr{}, t.errorf("%q is a text, and field %q is a %s", t.value, t.field.Name, kind)
	}
	switch kind {
	case Bool:
		if v, err := strconv.ParseBool(t.value); err == nil {
			return BoolValue(v), nil
		}
	case Float:
		if v, err := strconv.ParseFloat(t.value, 64); err == nil {
			return FloatValue(v), nil
		}
	case Duration:
		if v, err := time.ParseDuration(t.value); err == nil {
			return DurationValue(v), nil
		}
		if v, err := strconv.ParseInt(t.value, 0, 64); err == nil {
			return DurationValue(time.Duration(v)), nil
		}
	case Time:
		if v, err := time.Parse(time.RFC3339Nano, t.value); err == nil {
			return TimeValue(v), nil
		}
	default:
		if e, ok := t.integer(); ok {
			return e, nil
		}
	}
	return Expr{}, t.errorf("%q is no value for field %q, a %s", t.value, t.field.Name, kind)
}

// integer reads a whole number as the kernel does: in the size of the field, if that is the kernel's. Others may have
// any that fits 64 bits.
func (t *test) integer() (Expr, bool) {
	signed := t.field.Kind == Int
	if t.p.s.kernel {
		size := uint(8 * t.field.Size)
		if signed {
			v, ok := parseInt(t.value)
			if !ok || !v.IsInt64() {
				return Expr{}, false
			}
			if t.op == "&" {
				return UintValue(uint64(v.Int64()) & (1<<size - 1)), true
			}
			return IntValue(v.Int64() << (64 - size) >> (64 - size)), true
		}
		v, ok := parseInt(t.value)
		if !ok || !v.IsUint64() || strings.HasPrefix(t.value, "-") {
			return Expr{}, false
		}
		return UintValue(v.Uint64() & (1<<size - 1)), true
	}
	v, ok := parseInt(t.value)
	switch {
	case ok && v.IsInt64() && (signed || v.Sign() < 0):
		if t.op == "&" {
			return UintValue(uint64(v.Int64())), true
		}
		return IntValue(v.Int64()), true
	case ok && v.IsUint64():
		return UintValue(v.Uint64()), true
	}
	return Expr{}, false
}

// parseInt reads a whole number in base 10, 16 (0x) or 8 (0).
func parseInt(s string) (*big.Int, bool) {
	sign := ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign, s = s[:1], s[1:]
	}
	base := 10
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	if s == "" || len(s) > 80 || strings.ContainsAny(s, "+-_") {
		return nil, false
	}
	return new(big.Int).SetString(sign+s, base)
}

// addr reads an address or a network.
func (t *test) addr(f Expr) (Expr, error) {
	var e Expr
	if a, err := netip.ParseAddr(t.value); err == nil {
		e = Compare(Equal, f, AddrValue(a))
	} else if n, err := netip.ParsePrefix(t.value); err == nil {
		e = InNet(f, n)
	} else {
		return Expr{}, t.errorf("%q is neither an address nor a network", t.value)
	}
	switch t.op {
	case "!=":
		return Not(e.At(t.at + 1)), nil
	case "==", "~":
		return e.At(t.at + 1), nil
	}
	return Expr{}, &Error{Pos: t.at + 1, Text: fmt.Sprintf("%s is not for addresses: == and != are", t.op)}
}

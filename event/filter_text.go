// Implements the tests of event filters that are not of numbers: texts, functions, sets of processors.

package event

import (
	"fmt"
	"strconv"
	"strings"
)

// maxFilterText is how long a text in a filter may be, if it is the kernel's (MAX_FILTER_STR_VAL).
const maxFilterText = 256

// text returns a test of a text.
func (t *test) text(f Expr) (Expr, error) {
	if !t.quoted {
		return Expr{}, t.errorf("field %q is a text, and %q has no quotes", t.field.Name, t.value)
	}
	value := func(s string) Expr {
		if t.field.Kind == Bytes {
			return BytesValue([]byte(s))
		}
		return StringValue(s)
	}
	kernel := t.p.s.kernel
	if kernel && len(t.value) >= maxFilterText {
		return Expr{}, t.errorf("a text of %d bytes, less than %d are allowed", len(t.value), maxFilterText)
	}
	whole := func(s string) Expr {
		// The kernel compares as many bytes as the field has.
		if kernel && t.field.Form == CString && len(s) > t.field.Size {
			s = s[:t.field.Size]
		}
		return Compare(Equal, f, value(s)).At(t.at + 1)
	}
	switch t.op {
	case "==":
		return whole(t.value), nil
	case "!=":
		return Not(whole(t.value)), nil
	case "~":
		return t.glob(f, whole), nil
	}
	return Expr{}, &Error{Pos: t.at + 1, Text: fmt.Sprintf("%s is not for texts: ==, != and ~ are", t.op)}
}

// glob returns a test of a text against a pattern.
func (t *test) glob(f Expr, whole func(string) Expr) Expr {
	if t.p.s.kernel {
		return t.kernelGlob(f, whole)
	}
	return Glob(f, t.value).At(t.at + 1)
}

// kernelGlob is glob as the kernel has it (filter_parse_regex and what it chooses). A ! ahead of the pattern turns the
// test round. A pattern that starts with a digit is none: it is the text itself. "*end" looks at the last bytes ahead of
// the one at the end of the field, which is where a text ends only if it fills its room, or is dynamic; "*part*" looks
// at all bytes, also behind the text's end.
func (t *test) kernelGlob(f Expr, whole func(string) Expr) Expr {
	pattern, not := strings.CutPrefix(t.value, "!")
	text, before := strings.CutPrefix(pattern, "*")
	text, behind := strings.CutSuffix(text, "*")
	raw := *f.n
	raw.raw, raw.trim = true, !behind
	var e Expr
	switch {
	case pattern == "" || pattern[0] >= '0' && pattern[0] <= '9' || !strings.ContainsAny(pattern, `*?[\`):
		e = whole(pattern)
	case strings.ContainsAny(text, `*?[\`):
		e = Glob(f, pattern)
	case before && behind:
		e = Contains(Expr{&raw}, text)
	case before:
		e = HasSuffix(Expr{&raw}, text)
	default:
		e = HasPrefix(f, text)
	}
	if e = e.At(t.at + 1); not {
		return Not(e)
	}
	return e
}

// function returns the test whether an address is in a function.
func (t *test) function(f Expr) (Expr, error) {
	switch {
	case t.field.Kind != Uint && t.field.Kind != Int || t.field.Size != 8:
		return Expr{}, &Error{Pos: t.fieldPos + 1, Text: fmt.Sprintf("field %q is no address of a function: it is a %s of %d bytes", t.field.Name, t.field.Kind, t.field.Size)}
	case t.op != "==" && t.op != "!=":
		return Expr{}, &Error{Pos: t.at + 1, Text: fmt.Sprintf("%s is not for functions: == and != are", t.op)}
	case t.p.opts.Function == nil:
		return Expr{}, t.errorf("nothing says where function %q is", t.value)
	}
	lo, hi, ok := t.p.opts.Function(t.value)
	if !ok || hi <= lo {
		return Expr{}, t.errorf("there is no function %q", t.value)
	}
	// As unsigned numbers, whatever the field is.
	f = Calc(BitOr, f, UintValue(0))
	e := And(Compare(GreaterEqual, f, UintValue(lo)), Compare(Less, f, UintValue(hi)))
	if t.op == "!=" {
		e = Not(e)
	}
	return e, nil
}

// maxCPU is the number that processors have at most.
const maxCPU = 1 << 13

// cpus returns a test of a field that is the number of a processor against a set of them.
func (t *test) cpus(f Expr) (Expr, error) {
	if t.field.Kind != Int && t.field.Kind != Uint {
		return Expr{}, t.errorf("field %q is a %s, and no number of a processor", t.field.Name, t.field.Kind)
	}
	list := strings.TrimSuffix(strings.TrimPrefix(t.value, "CPUS{"), "}")
	var set []Expr
	for _, part := range strings.Split(list, ",") {
		a, b, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			b = a
		}
		lo, err1 := strconv.ParseUint(a, 10, 32)
		hi, err2 := strconv.ParseUint(b, 10, 32)
		if err1 != nil || err2 != nil || hi < lo || hi >= maxCPU {
			return Expr{}, t.errorf("%q is no list of processors below %d, such as CPUS{0-3,8}", t.value, maxCPU)
		}
		for n := lo; n <= hi; n++ {
			set = append(set, UintValue(n))
		}
	}
	alone := Compare(Equal, f, set[0]).At(t.at + 1)
	if len(set) > 1 {
		alone = BoolValue(false) // a set of several is not that of one
	}
	switch t.op {
	case "&":
		return In(f, set...).At(t.at + 1), nil
	case "==":
		return alone, nil
	case "!=":
		return Not(alone), nil
	}
	return Expr{}, &Error{Pos: t.at + 1, Text: fmt.Sprintf("%s is not for sets of processors: ==, != and & are", t.op)}
}

// Implements the meaning of expressions in plain Go: what machine code leaves to others is evaluated here, and the code
// is tested against it.

package event

import (
	"bytes"
	"encoding/binary"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
)

// Outcome is what a predicate says of a record.
type Outcome uint8

// The outcomes.
const (
	False   Outcome = iota
	True            // it holds
	NoValue         // it has no value: a field is missing that it depends on, or a result does not fit
)

// String returns the outcome's name.
func (o Outcome) String() string { return [...]string{"false", "true", "no value"}[o&3%3] }

func outcome(v bool) Outcome {
	if v {
		return True
	}
	return False
}

// evaluate tells what a bound expression says of a record that is bytes.
func evaluate(s *Schema, n *node, rec []byte) Outcome {
	if len(rec) < s.Size {
		return NoValue
	}
	return (&evaluator{s, rec}).truth(n)
}

type evaluator struct {
	s   *Schema
	rec []byte
}

func (e *evaluator) truth(n *node) Outcome {
	switch n.op {
	case opNot:
		switch v := e.truth(n.args[0]); v {
		case True:
			return False
		case False:
			return True
		}
		return NoValue
	case opAnd, opOr:
		decides, out := False, True
		if n.op == opOr {
			decides, out = True, False
		}
		for _, a := range n.args {
			switch v := e.truth(a); v {
			case decides:
				return v
			case NoValue:
				out = NoValue
			}
		}
		return out
	case opIf:
		switch e.truth(n.args[0]) {
		case True:
			return e.truth(n.args[1])
		case False:
			return e.truth(n.args[2])
		}
		return NoValue
	case opHas:
		_, ok := e.field(&e.s.Fields[n.field])
		return outcome(ok)
	}
	v, ok := e.value(n)
	if !ok {
		return NoValue
	}
	return outcome(v.i != 0)
}

// value returns what is not logic, and whether it has a value.
func (e *evaluator) value(n *node) (value, bool) {
	switch n.op {
	case opConst:
		return n.val, true
	case opField:
		f := &e.s.Fields[n.field]
		if n.raw {
			text, ok := e.rawText(f, e.rec[f.Offset:f.Offset+f.bytes()])
			if n.trim {
				if len(text) == 0 {
					return value{}, false
				}
				text = text[:len(text)-1]
			}
			return value{kind: f.Kind, s: string(text)}, ok
		}
		return e.field(f)
	}
	if n.kind == Bool && (n.op == opNot || n.op == opAnd || n.op == opOr || n.op == opIf || n.op == opHas) {
		v := e.truth(n)
		return value{kind: Bool, i: int64(v)}, v != NoValue
	}
	args := make([]value, len(n.args))
	for i, a := range n.args {
		v, ok := e.value(a)
		if !ok {
			return v, false
		}
		args[i] = v
	}
	x := args[0]
	switch n.op {
	case opCompare:
		c, ordered := x.compare(&args[1])
		return boolean(holds(n.cmp, c, ordered)), true
	case opArith:
		v, ok := calculate(n.arith, n.kind, x.i, args[1].i)
		return value{kind: n.kind, i: v}, ok
	case opConvert:
		return x.as(n.kind)
	case opLog2:
		return value{kind: Uint, i: log2(x.kind, x.i)}, true
	case opIn:
		return boolean(slices.ContainsFunc(n.list, func(v value) bool { c, ok := v.compare(&x); return ok && c == 0 })), true
	case opNet:
		return boolean(slices.ContainsFunc(n.nets, func(p netip.Prefix) bool { return p.Contains(x.a) })), true
	}
	return evalText(n, []byte(x.s))
}

func boolean(v bool) value { return BoolValue(v).n.val }

// evalText is a test or measure of a text.
func evalText(n *node, s []byte) (value, bool) {
	switch n.op {
	case opLen:
		return value{kind: Int, i: int64(len(s))}, true
	case opRunes:
		return value{kind: Int, i: int64(utf8.RuneCount(s))}, true
	case opPrefix:
		return boolean(bytes.HasPrefix(s, []byte(n.text))), true
	case opSuffix:
		return boolean(bytes.HasSuffix(s, []byte(n.text))), true
	case opContains:
		return boolean(bytes.Contains(s, []byte(n.text))), true
	case opAutomaton:
		return boolean(evalPattern(n.re, n, s)), true
	}
	return value{}, false
}

func evalPattern(re *regexp.Regexp, n *node, s []byte) bool {
	if re != nil {
		return re.Match(s)
	}
	match, _ := n.dfa.Run(s)
	return match
}

// field reads a field of a record that is bytes.
func (e *evaluator) field(f *Field) (value, bool) {
	if f.Flag > 0 && e.rec[(f.Flag-1)/8]>>((f.Flag-1)%8)&1 == 0 {
		return value{}, false
	}
	at := e.rec[f.Offset : f.Offset+f.bytes()]
	v := value{kind: f.Kind}
	if f.Kind.text() || f.Form == Span {
		text, ok := e.text(f, at)
		if f.Kind == IP {
			a, ok2 := netip.AddrFromSlice(text)
			return value{kind: IP, a: a.Unmap()}, ok && ok2
		}
		v.s = string(text)
		return v, ok
	}
	switch {
	case f.Kind == IP:
		a, _ := netip.AddrFromSlice(at)
		v.a = a.Unmap()
	case f.Form == seconds:
		v.t = time.Unix(int64(binary.LittleEndian.Uint64(at)), int64(binary.LittleEndian.Uint64(at[8:]))).UTC()
	default:
		var b [8]byte
		copy(b[:], at)
		if f.Big {
			slices.Reverse(b[:f.Size])
		}
		bits := binary.LittleEndian.Uint64(b[:])
		shift := 64 - 8*f.Size
		switch {
		case f.Kind == Float && f.Size == 4:
			v.f = float64(math.Float32frombits(uint32(bits)))
		case f.Kind == Float:
			v.f = math.Float64frombits(bits)
		case f.Kind == Time:
			v.t = time.Unix(0, int64(bits)).UTC()
		case f.Kind == Bool:
			v.i = int64(min(bits, 1))
		case f.Kind == Uint:
			v.i = int64(bits)
		default:
			v.i = int64(bits) << shift >> shift
		}
	}
	return v, true
}

// text returns the bytes of a text, and whether they are inside the record.
func (e *evaluator) text(f *Field, at []byte) ([]byte, bool) {
	at, ok := e.rawText(f, at)
	if f.Form != InPlace && f.Form != Span {
		if end := bytes.IndexByte(at, 0); end >= 0 {
			at = at[:end]
		}
	}
	return at, ok
}

// rawText is text with what follows a NUL.
func (e *evaluator) rawText(f *Field, at []byte) ([]byte, bool) {
	off, size := 0, 0
	switch f.Form {
	case InPlace, CString:
	case Span:
		off, size = int(binary.LittleEndian.Uint32(at)), int(binary.LittleEndian.Uint32(at[4:]))
	default:
		off, size = int(binary.LittleEndian.Uint16(at)), int(binary.LittleEndian.Uint16(at[2:]))
		if f.Form == RelLoc {
			off += f.Offset + 4
		}
	}
	if f.Form == DataLoc || f.Form == RelLoc || f.Form == Span {
		if off+size > len(e.rec) {
			return nil, false
		}
		at = e.rec[off : off+size]
	}
	return at, true
}

// Each calls f with the fields of a record that is bytes, in the order of the schema, as far as they are there: bool,
// int64, uint64, float64, string, []byte, netip.Addr, time.Duration or time.Time.
func (s *Schema) Each(rec []byte, f func(name string, value any)) {
	if len(rec) < s.Size || s.host {
		return
	}
	e := &evaluator{s, rec}
	for i := range s.Fields {
		if v, ok := e.field(&s.Fields[i]); ok {
			f(s.Fields[i].Name, v.any())
		}
	}
}

func (v *value) any() any {
	switch v.kind {
	case Bool:
		return v.i != 0
	case Int:
		return v.i
	case Uint:
		return uint64(v.i)
	case Float:
		return v.f
	case Bytes:
		return []byte(v.s)
	case IP:
		return v.a
	case Duration:
		return time.Duration(v.i)
	case Time:
		return v.t
	}
	return v.s
}

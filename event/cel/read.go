// Implements turning checked expressions of CEL into those of package event.

package cel

import (
	"fmt"
	"net/netip"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/skepbpf/skep/event"
)

func stringVal(s string) ref.Val { return types.String(s) }

type reader struct {
	schema *event.Schema
	text   string
	ast    *ast.AST
}

func (r *reader) pos(e ast.Expr) int {
	if o, ok := r.ast.SourceInfo().GetOffsetRange(e.ID()); ok {
		return bytePos(r.text, int(o.Start))
	}
	return 0
}

func (r *reader) errorf(e ast.Expr, format string, args ...any) error {
	return &event.Error{Pos: r.pos(e), Text: fmt.Sprintf(format, args...)}
}

// expr reads any expression.
func (r *reader) expr(e ast.Expr) (event.Expr, error) {
	out, err := r.any(e)
	if err != nil {
		return out, err
	}
	return out.At(r.pos(e)), nil
}

func (r *reader) any(e ast.Expr) (event.Expr, error) {
	switch e.Kind() {
	case ast.LiteralKind:
		switch v := e.AsLiteral().(type) {
		case types.Bool:
			return event.BoolValue(bool(v)), nil
		case types.Int:
			return event.IntValue(int64(v)), nil
		case types.Uint:
			return event.UintValue(uint64(v)), nil
		case types.Double:
			return event.FloatValue(float64(v)), nil
		case types.String:
			return event.StringValue(string(v)), nil
		case types.Bytes:
			return event.BytesValue([]byte(v)), nil
		}
		return event.Expr{}, r.errorf(e, "a constant of type %s", e.AsLiteral().Type().TypeName())
	case ast.IdentKind, ast.SelectKind:
		if name, ok := dotted(e); ok && r.schema.Field(name) != nil {
			return event.FieldValue(name), nil
		}
		return event.Expr{}, r.errorf(e, "this is no field of %s", r.schema.Name)
	case ast.CallKind:
		return r.call(e, e.AsCall())
	}
	return event.Expr{}, r.errorf(e, "lists, maps, messages and comprehensions are not among what can be compiled")
}

var comparisons = map[string]event.Comparison{operators.Equals: event.Equal, operators.NotEquals: event.NotEqual, operators.Less: event.Less,
	operators.LessEquals: event.LessEqual, operators.Greater: event.Greater, operators.GreaterEquals: event.GreaterEqual}

var calculations = map[string]event.Arithmetic{operators.Add: event.Add, operators.Subtract: event.Sub, operators.Multiply: event.Mul,
	operators.Divide: event.Div, operators.Modulo: event.Mod}

// texts are the functions of a string with a constant argument.
var texts = map[string]func(event.Expr, string) event.Expr{"startsWith": event.HasPrefix, "endsWith": event.HasSuffix,
	"contains": event.Contains, "matches": event.Match}

func (r *reader) call(e ast.Expr, c ast.CallExpr) (event.Expr, error) {
	name := c.FunctionName()
	args := c.Args()
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	switch name {
	case operators.In:
		return r.in(args[0], args[1])
	case "duration", "timestamp", "ip", "cidr":
		return r.constant(e, name, args)
	case "containsIP":
		return r.containsIP(args)
	case present:
		return r.present(e, args[0])
	}
	if f, ok := texts[name]; ok {
		s, ok := literalString(args[1])
		if !ok {
			return event.Expr{}, r.errorf(args[1], "%s needs a constant here", name)
		}
		x, err := r.expr(args[0])
		return f(x, s), err
	}
	in := make([]event.Expr, len(args))
	for i, a := range args {
		var err error
		if in[i], err = r.expr(a); err != nil {
			return in[i], err
		}
	}
	return r.operator(e, name, args, in)
}

// operator is a call all of whose arguments are expressions.
func (r *reader) operator(e ast.Expr, name string, args []ast.Expr, in []event.Expr) (event.Expr, error) {
	typ := func(i int) string { return r.ast.GetType(args[i].ID()).String() }
	if cmp, ok := comparisons[name]; ok {
		return event.Compare(cmp, in[0], in[1]), nil
	}
	if op, ok := calculations[name]; ok {
		if t := typ(0); t != typ(1) || t != "int" && t != "uint" && t != "google.protobuf.Duration" {
			return event.Expr{}, r.errorf(e, "%s of %s and %s is not among what can be compiled", op, t, typ(1))
		}
		return event.Calc(op, in[0], in[1]), nil
	}
	switch name {
	case operators.LogicalAnd:
		return event.And(in...), nil
	case operators.LogicalOr:
		return event.Or(in...), nil
	case operators.LogicalNot:
		return event.Not(in[0]), nil
	case operators.Conditional:
		if typ(1) == "bool" {
			return event.If(in[0], in[1], in[2]), nil
		}
		return event.Expr{}, r.errorf(e, "?: of %s: both must be true or false", typ(1))
	case operators.Negate:
		if typ(0) == "int" {
			return event.Calc(event.Sub, event.IntValue(0), in[0]), nil
		}
	case "size":
		switch typ(0) {
		case "string":
			return event.Runes(in[0]), nil
		case "bytes":
			return event.Len(in[0]), nil
		}
	case "int", "uint":
		if t := typ(0); t == "int" || t == "uint" {
			return event.Convert(map[string]event.Kind{"int": event.Int, "uint": event.Uint}[name], in[0]), nil
		}
	}
	return event.Expr{}, r.errorf(e, "%s is not among what can be compiled", name)
}

func literalString(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// constant reads duration("1s") and its like.
func (r *reader) constant(e ast.Expr, name string, args []ast.Expr) (event.Expr, error) {
	s, ok := literalString(args[0])
	if !ok {
		return event.Expr{}, r.errorf(e, "%s() needs a constant text", name)
	}
	var out event.Expr
	var err error
	switch name {
	case "duration":
		var d time.Duration
		d, err = time.ParseDuration(s)
		out = event.DurationValue(d)
	case "timestamp":
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, s)
		out = event.TimeValue(t)
	case "ip":
		var a netip.Addr
		a, err = netip.ParseAddr(s)
		out = event.AddrValue(a)
	default:
		err = fmt.Errorf("a network is only for containsIP")
	}
	if err != nil {
		return out, r.errorf(args[0], "%v", err)
	}
	return out, nil
}

// in reads a search in a list of constants.
func (r *reader) in(x, list ast.Expr) (event.Expr, error) {
	v, err := r.expr(x)
	if err != nil {
		return v, err
	}
	if list.Kind() != ast.ListKind {
		return v, r.errorf(list, "in needs a list of constants")
	}
	var values []event.Expr
	for _, e := range list.AsList().Elements() {
		c, err := r.expr(e)
		if err != nil {
			return c, err
		}
		if !c.Constant() {
			return c, r.errorf(e, "in needs constants")
		}
		values = append(values, c)
	}
	return event.In(v, values...), nil
}

// containsIP reads cidr("10.0.0.0/8").containsIP(x).
func (r *reader) containsIP(args []ast.Expr) (event.Expr, error) {
	if args[0].Kind() == ast.CallKind && args[0].AsCall().FunctionName() == "cidr" {
		s, ok := literalString(args[0].AsCall().Args()[0])
		if n, err := netip.ParsePrefix(s); ok && err == nil {
			x, err := r.expr(args[1])
			return event.InNet(x, n), err
		}
	}
	return event.Expr{}, r.errorf(args[0], "containsIP is for constant networks, such as cidr(\"10.0.0.0/8\")")
}

// present reads has(field).
func (r *reader) present(e, arg ast.Expr) (event.Expr, error) {
	name, _ := literalString(arg)
	if r.schema.Field(name) == nil {
		return event.Expr{}, r.errorf(e, "%s has no field %q", r.schema.Name, name)
	}
	return event.Has(name), nil
}

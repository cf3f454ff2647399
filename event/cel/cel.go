// Package cel reads predicates in a subset of CEL, the Common Expression Language (https://cel.dev), for package event,
// which compiles them to machine code. Expressions are parsed and checked by cel-go.
//
//	e, err := cel.Parse(schema, `status >= 500 && path.startsWith("/api/") && client in [ip("10.0.0.1"), ip("10.0.0.2")]`)
//	p, err := event.Compile(schema, e, nil)
//
// It is a module of its own, so that package event stays free of cel-go.
//
// The variables are the fields of the schema by their names; those with dots, of structs inside, may be selected from
// each other. There are true and false, int, uint, double, string, bytes, duration and timestamp, and the addresses and
// networks of cel-go's network extension: ip("10.0.0.1"), cidr("10.0.0.0/8").containsIP(client). The operators are && ||
// ! ?: == != < <= > >= in, numbers of different types compare by what they are worth, and whole numbers and durations have
// + - and, numbers, * / %; the functions are size, startsWith, endsWith, contains and matches with constant arguments,
// int and uint, and has, which tells of any field whether it is there. Everything else is refused, with the place: among
// other things arithmetic of doubles, strings that are put together, macros such as exists, and maps.
//
// What has an error in CEL, such as a sum that overflows or a field that is not there, has no value: event.NoValue.
package cel

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/ext"

	"github.com/skepbpf/skep/event"
)

// maxText bounds expressions, bytes.
const maxText = 1 << 20

// present is the function that the macro has becomes.
const present = "@present"

var kinds = map[event.Kind]*cel.Type{
	event.Bool: cel.BoolType, event.Int: cel.IntType, event.Uint: cel.UintType, event.Float: cel.DoubleType, event.String: cel.StringType,
	event.Bytes: cel.BytesType, event.IP: ext.IPType, event.Duration: cel.DurationType, event.Time: cel.TimestampType,
}

// Env returns the environment that Parse has expressions checked in, for records of s.
func Env(s *event.Schema) (*cel.Env, error) {
	opts := []cel.EnvOption{
		cel.ClearMacros(), cel.Macros(cel.GlobalMacro("has", 1, expandHas)), cel.CrossTypeNumericComparisons(true), ext.Network(),
		cel.Function(present, cel.Overload("present_string", []*cel.Type{cel.StringType}, cel.BoolType)),
	}
	for i := range s.Fields {
		f := &s.Fields[i]
		opts = append(opts, cel.Variable(f.Name, kinds[f.Kind]))
	}
	return cel.NewEnv(opts...)
}

// expandHas turns has(a.b) into a call that has the name as a constant.
func expandHas(f cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *common.Error) {
	name, ok := dotted(args[0])
	if !ok {
		return nil, f.NewError(args[0].ID(), "has() needs the name of a field")
	}
	return f.NewCall(present, f.NewLiteral(stringVal(name))), nil
}

// dotted returns the name that selections from an identifier spell.
func dotted(e ast.Expr) (string, bool) {
	switch e.Kind() {
	case ast.IdentKind:
		return e.AsIdent(), true
	case ast.SelectKind:
		base, ok := dotted(e.AsSelect().Operand())
		return base + "." + e.AsSelect().FieldName(), ok && !e.AsSelect().IsTestOnly()
	}
	return "", false
}

// Parse reads an expression over the fields of s that is true or false. The error is an *event.Error, which names the
// byte of the text, unless s is at fault.
func Parse(s *event.Schema, text string) (event.Expr, error) {
	if len(text) > maxText || !utf8.ValidString(text) {
		return event.Expr{}, &event.Error{Text: fmt.Sprintf("an expression of more than %d bytes, or one that is not UTF-8", maxText)}
	}
	env, err := Env(s)
	if err != nil {
		return event.Expr{}, fmt.Errorf("schema %s: %w", s.Name, err)
	}
	checked, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		first := issues.Errors()[0]
		return event.Expr{}, &event.Error{Pos: bytePos(text, lineOffset(text, first.Location.Line())+first.Location.Column()), Text: first.Message}
	}
	r := &reader{schema: s, text: text, ast: checked.NativeRep()}
	return r.expr(r.ast.Expr())
}

// Compile compiles an expression for Go structs of type T.
func Compile[T any](text string, opts *event.Options) (*event.Func[T], error) {
	s, err := event.SchemaFor[T]()
	if err != nil {
		return nil, err
	}
	e, err := Parse(s, text)
	if err != nil {
		return nil, err
	}
	return event.CompileFor[T](e, opts)
}

// lineOffset returns how many characters stand ahead of a line, counted from 1.
func lineOffset(text string, line int) int {
	lines := strings.SplitAfter(text, "\n")
	n := 0
	for _, l := range lines[:max(0, min(line-1, len(lines)))] {
		n += utf8.RuneCountInString(l)
	}
	return n
}

// bytePos turns a number of characters into the byte behind them, counted from 1.
func bytePos(text string, chars int) int {
	if chars < 0 || chars == math.MaxInt {
		return 0
	}
	for i := range text {
		if chars == 0 {
			return i + 1
		}
		chars--
	}
	return len(text) + 1
}

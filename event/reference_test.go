package event

import (
	"net"
	"net/netip"
	"reflect"
	"strings"
	"time"
)

// reference evaluates a bound expression of a Go value by reflection.
func reference(n *node, x any) Outcome {

	return refTruth(n, reflect.ValueOf(x))
}

func refTruth(n *node, x reflect.Value) Outcome {
	e := &evaluator{}
	var leafs func(n *node) *node
	// Fields become constants, or what has no value: a division by zero.
	nothing := &node{op: opCompare, kind: Bool, args: []*node{{op: opArith, arith: Div, kind: Int, args: []*node{IntValue(1).n, IntValue(0).n}}, IntValue(1).n}}
	leafs = func(n *node) *node {
		switch n.op {
		case opField:
			v, ok := refField(n, x)
			if !ok {
				out := *nothing.args[0]
				return &out
			}
			return constant(v).n
		case opHas:
			_, ok := refField(n, x)
			return truth(ok)
		}
		out := *n
		out.args = nil
		for _, a := range n.args {
			out.args = append(out.args, leafs(a))
		}
		return &out
	}
	return e.truth(leafs(n))
}

func refField(n *node, x reflect.Value) (value, bool) {
	for _, name := range strings.Split(n.name, ".") {
		for x.Kind() == reflect.Pointer {
			if x.IsNil() {
				return value{}, false
			}
			x = x.Elem()
		}
		x = x.FieldByName(name)
	}
	if x.Kind() == reflect.Pointer {
		if x.IsNil() {
			return value{}, false
		}
		x = x.Elem()
	}
	switch v := x.Interface().(type) {
	case time.Time:
		return TimeValue(v).n.val, true
	case time.Duration:
		return DurationValue(v).n.val, true
	case netip.Addr:
		return AddrValue(v).n.val, v.IsValid()
	case net.IP:
		a, ok := netip.AddrFromSlice(v)
		return AddrValue(a).n.val, ok
	}
	switch {
	case x.Kind() == reflect.Bool:
		return BoolValue(x.Bool()).n.val, true
	case x.CanInt():
		return IntValue(x.Int()).n.val, true
	case x.CanUint():
		return UintValue(x.Uint()).n.val, true
	case x.CanFloat():
		return FloatValue(x.Float()).n.val, true
	case x.Kind() == reflect.String:
		return StringValue(x.String()).n.val, true
	}
	b := make([]byte, x.Len())
	reflect.Copy(reflect.ValueOf(b), x)
	return BytesValue(b).n.val, true
}

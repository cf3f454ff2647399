// Implements explanations as text.

package pcap

import (
	"fmt"
	"strings"
)

// String returns the explanation for people, in several lines that end with a newline each: the verdict, then
// the terms with what became of them, indented by and, or and not, and under them the tests that were made.
func (x *Explanation) String() string {
	var b strings.Builder
	verdict := "no match"
	if x.Match {
		verdict = "match"
	}
	fmt.Fprintf(&b, "%s (%s)\n", verdict, size(x.Bytes, x.Length))
	switch o := x.Outside; {
	case o != nil:
		fmt.Fprintf(&b, "  dropped: [%d:%d] is outside of the packet\n", o.Offset, o.Length)
	case x.Onward:
		b.WriteString("  what lies outside of the packet was not needed\n")
	}
	if x.Headers != nil {
		x.Headers.write(&b, "  ", "")
	}
	if x.Root == nil {
		b.WriteString("  the empty expression matches everything\n")
	} else {
		x.Root.write(&b, "  ", "")
	}
	return b.String()
}

func size(bytes, length int) string {
	if bytes == length {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%d of %d bytes", bytes, length)
}

// write appends a term. not is what stands before it in its line.
func (t *Term) write(b *strings.Builder, indent, not string) {
	switch {
	case t.Operator == Not && t.Terms[0].Operator == Primitive:
		inner := *t.Terms[0]
		inner.Outcome = t.Outcome
		inner.write(b, indent, "not ")
		return
	case t.Operator != Primitive:
		fmt.Fprintf(b, "%s%s: %s\n", indent, t.Operator, t.Outcome)
		for _, inner := range t.Terms {
			inner.write(b, indent+"  ", "")
		}
		return
	}
	fmt.Fprintf(b, "%s%s%s: %s\n", indent, not, t.Text, t.Outcome)
	for i := range t.Tests {
		fmt.Fprintf(b, "%s  %s\n", indent, &t.Tests[i])
	}
}

// String returns the test for people: what is compared, what it is, and how that compares with what it is
// compared with.
func (t *Test) String() string {
	if t.Outcome == Impossible {
		for _, l := range t.Looks {
			if l.Outside {
				return fmt.Sprintf("[%d:%d] is outside of the packet", l.Offset, l.Length)
			}
		}
		if strings.Contains(t.Left+t.Right, "?") {
			return fmt.Sprintf("%s %s %s needs what is outside of the packet", t.Left, t.Relation, t.Right)
		}
		return fmt.Sprintf("%s %s %s divides by 0", t.Left, t.Relation, t.Right)
	}
	is, with := digitsText(t.A, t.digits), digitsText(t.B, t.digits)
	if t.Field != "" {
		is += " (" + t.Field + ")"
	}
	if !strings.HasPrefix(t.Right, "0x") {
		with += " (" + t.Right + ")"
	}
	return fmt.Sprintf("%s is %s: %s %s", t.Left, is, phrases[t.Relation][t.Outcome&1], with)
}

// phrases are the relations in words, first where they do not hold.
var phrases = map[string][2]string{
	"=":  {"not", "equal to"},
	">":  {"not above", "above"},
	">=": {"below", "at least"},
	"&":  {"no bit of", "a bit of"},
}

// Implements listings: a filter's code beside what it means.

package seccomp

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/isa"
)

// Line is an instruction with its meaning.
type Line struct {
	Text    string // as tcpdump -d writes it
	Meaning string // "the call is openat", "A = arg1, low half"; may be empty
}

// context is what is known at an instruction on all ways that lead there.
type context struct {
	reached  bool
	a        loaded
	audit    uint32
	hasAudit bool
	least    uint32 // number of the call
	most     uint32
}

// loaded is what A holds, if it comes from the input.
type loaded struct {
	known bool
	off   uint32
	mask  uint32
}

// Listing returns the filter's instructions with their meanings: which word a load reads, which system call or
// architecture a comparison is about, which action a return is.
func (f *Filter) Listing() []Line {
	lines := make([]Line, len(f.code))
	at := make([]context, len(f.code)+1)
	at[0] = context{reached: true, most: ^uint32(0)}
	bigEndian := f.bigEndian()
	for i, in := range f.code {
		c := at[i]
		row := classic.Lookup(in.Op)
		text := string(classic.AppendLine(nil, in, i))
		lines[i] = Line{Text: text}
		if !c.reached {
			lines[i].Meaning = "never reached"
			continue
		}
		next := c
		switch row.Kind {
		case classic.KindReturn:
			if row.From == isa.FromImm {
				lines[i].Meaning = Action(in.K).String()
			}
			continue
		case classic.KindGoto:
			join(&at[i+1+int(in.K)], c)
			continue
		case classic.KindJump:
			yes, no := c, c
			if row.From == isa.FromImm && c.a.known {
				lines[i].Meaning = c.question(row.Fn, in.K)
				yes, no = c.learn(row.Fn, in.K)
			}
			join(&at[i+1+int(in.Jt)], yes)
			join(&at[i+1+int(in.Jf)], no)
			continue
		case classic.KindLoadPacket:
			next.a = loaded{true, in.K, ^uint32(0)}
			lines[i].Meaning = "A = " + c.word(in.K, bigEndian)
		case classic.KindALU:
			if row.Fn == isa.FnAnd && row.From == isa.FromImm && c.a.known {
				next.a.mask &= in.K
			} else {
				next.a = loaded{}
			}
		case classic.KindLoadImm, classic.KindLoadMem, classic.KindLoadLen, classic.KindMove:
			if row.Reg == classic.A {
				next.a = loaded{}
			}
		}
		join(&at[i+1], next)
	}
	return lines
}

// bigEndian reports whether the filter asks about architectures and all of them are big-endian.
func (f *Filter) bigEndian() bool {
	some := false
	audit := false // A is the architecture
	for _, in := range f.code {
		if in.Op == opLoad {
			audit = in.K == 4
		}
		if in.Op == opEqual && audit {
			if in.K&littleEndian != 0 {
				return false
			}
			some = true
		}
	}
	return some
}

// join makes a context hold only what is also so in another.
func join(to *context, from context) {
	if !to.reached {
		*to = from
		return
	}
	if to.a != from.a {
		to.a = loaded{}
	}
	if to.audit != from.audit || to.hasAudit != from.hasAudit {
		to.hasAudit, to.audit = false, 0
	}
	to.least, to.most = min(to.least, from.least), max(to.most, from.most)
}

// learn returns what is known when A compared with k is so, and when not.
func (c context) learn(fn isa.Fn, k uint32) (yes, no context) {
	yes, no = c, c
	switch {
	case c.a.mask != ^uint32(0):
	case c.a.off == 4 && fn == isa.FnEq:
		yes.audit, yes.hasAudit = k, true
	case c.a.off != 0:
	case fn == isa.FnEq:
		yes.least, yes.most = k, k
		if no.least == k {
			no.least++
		}
		if no.most == k {
			no.most--
		}
	case fn == isa.FnGe && k > 0:
		yes.least, no.most = max(c.least, k), min(c.most, k-1)
	case fn == isa.FnGt && k < ^uint32(0):
		yes.least, no.most = max(c.least, k+1), min(c.most, k)
	}
	return yes, no
}

// call returns the name of the call in question, or "".
func (c *context) call(nr uint32) string {
	if !c.hasAudit {
		return ""
	}
	return ArchOf(c.audit, nr).Name(nr)
}

// word names a word of the input.
func (c *context) word(off uint32, bigEndian bool) string {
	switch {
	case off == 0:
		return "number of the call"
	case off == 4:
		return "architecture"
	}
	half := "low"
	if (off%8 != 0) != bigEndian {
		half = "high"
	}
	if off < 16 {
		return "instruction pointer, " + half + " half"
	}
	i := int(off-16) / 8
	name := fmt.Sprintf("arg%d", i)
	if c.least == c.most {
		if p := parameter(c.call(c.least), i); p != "" {
			name += " (" + p + ")"
		}
	}
	return name + ", " + half + " half"
}

// question says what a comparison of A with k asks.
func (c *context) question(fn isa.Fn, k uint32) string {
	masked := c.a.mask != ^uint32(0)
	switch {
	case c.a.off == 4 && fn == isa.FnEq && !masked:
		if a := ArchOf(k, 0); a != NoArch {
			return "the architecture is " + a.String()
		} else if a := ArchOf(k, x32Bit); a != NoArch {
			return "the architecture is " + a.String()
		}
	case c.a.off == 0 && !masked && (fn == isa.FnEq || fn == isa.FnGe || fn == isa.FnGt):
		name := c.call(k)
		switch {
		case k == x32Bit && fn == isa.FnGe && c.hasAudit && c.audit == X32.Audit():
			return "the call is one of x32"
		case name == "":
			return ""
		case fn == isa.FnEq:
			return "the call is " + name
		case fn == isa.FnGe:
			return "the call is " + name + " or behind it"
		}
		return "the call is behind " + name
	}
	return ""
}

// parameterText lists the parameters of calls that policies look at, by name (section 2 of the Linux manual pages).
//
//go:embed parameters.txt
var parameterText string

var parameters = sync.OnceValue(func() map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(parameterText) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "#" {
			all[f[0]] = f[1:]
		}
	}
	return all
})

// parameter returns the name of a call's parameter, or "".
func parameter(call string, i int) string {
	if p := parameters()[call]; i < len(p) {
		return p[i]
	}
	return ""
}

// Implements the log: each instruction walked through and the registers it changed, in the kernel's form.

package verify

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/skepbpf/skep/internal/ir"
)

// logger writes the log. A nil one writes nothing.
type logger struct {
	w       *bufio.Writer
	before_ [11]reg
	depth   int
}

func newLogger(w io.Writer, v *verifier) *logger { return &logger{w: bufio.NewWriter(w)} }

func (l *logger) before(v *verifier) {
	if l == nil {
		return
	}
	l.before_ = *v.cur.regs()
	l.depth = v.cur.depth()
}

func (l *logger) after(v *verifier, at ir.Index) {
	if l == nil {
		return
	}
	fmt.Fprintf(l.w, "%d: %s", v.p.Slots[at], v.rows[at].Op)
	if l.depth == v.cur.depth() {
		sep := " ;"
		for r := range 10 {
			now, old := &v.cur.regs()[r], &l.before_[r]
			if *now == *old || now.kind == NotInit {
				continue
			}
			fmt.Fprintf(l.w, "%s R%d=%s", sep, r, v.regText(now))
			sep = ""
		}
	}
	fmt.Fprintln(l.w)
}

func (l *logger) from(v *verifier) {
	if l == nil {
		return
	}
	prev := ir.Slot(-1)
	if v.prev >= 0 {
		prev = v.p.Slots[v.prev]
	}
	fmt.Fprintf(l.w, "\nfrom %d to %d:", prev, v.p.Slots[v.at])
	l.state(v)
}

func (l *logger) checkpoint(v *verifier) {}

func (l *logger) state(v *verifier) {
	for r := range 11 {
		if x := &v.cur.regs()[r]; x.kind != NotInit {
			fmt.Fprintf(l.w, " R%d=%s", r, v.regText(x))
		}
	}
	fmt.Fprintln(l.w)
}

func (l *logger) end(v *verifier) {
	if l == nil {
		return
	}
	fmt.Fprintf(l.w, "processed %d insns (limit %d)\n", v.processed, v.limit)
	l.w.Flush()
}

// number prints small numbers in decimal, others in hexadecimal, as the kernel does.
func signedText(n int64) string {
	if n >= math.MinInt16 && n <= math.MaxUint16 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%#x", uint64(n))
}

func unsignedText(n uint64) string {
	if n <= math.MaxUint16 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%#x", n)
}

// regText is a register in the kernel's form.
func (v *verifier) regText(r *reg) string {
	if r.kind == Scalar && r.IsConst() {
		return signedText(int64(r.Bits.Value))
	}
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	name := r.name()
	if r.kind == Stack {
		if int(r.frame) != v.cur.depth() {
			name += fmt.Sprintf("[%d]", r.frame)
		}
		if r.IsConst() {
			return name + signedText(int64(r.off)+int64(r.Bits.Value))
		}
	}
	if r.id != 0 {
		s := fmt.Sprintf("id=%d", r.id)
		if r.has(addConst) {
			s += fmt.Sprintf("%+d", r.off)
		}
		add("%s", s)
	}
	if r.ref != 0 {
		add("ref_obj_id=%d", r.ref)
	}
	if r.kind == MapValue || r.kind == Map || r.kind == MapKey {
		m := v.maps[r.obj]
		add("map=%s,ks=%d,vs=%d", m.Name, m.KeySize, m.ValueSize)
	}
	if r.kind != Scalar && r.off != 0 {
		add("off=%s", signedText(int64(r.off)))
	}
	if r.inPacket() {
		add("r=%s", unsignedText(uint64(uint32(r.n))))
	}
	if r.kind == Mem {
		add("sz=%d", r.n)
	}
	if r.IsConst() {
		if r.Bits.Value != 0 {
			add("imm=%s", signedText(int64(r.Bits.Value)))
		}
	} else {
		parts = append(parts, ranges(r)...)
		if r.Bits.Mask != math.MaxUint64 {
			add("var_off=%s", r.Bits)
		}
	}
	return name + "(" + strings.Join(parts, ",") + ")"
}

// ranges are the ranges of a number that say anything, those of the same value together.
func ranges(r *reg) (out []string) {
	type bound struct {
		name string
		n    uint64
		omit bool
	}
	all := [8]bound{
		{"smin", uint64(r.SMin), r.SMin == math.MinInt64}, {"smax", uint64(r.SMax), r.SMax == math.MaxInt64},
		{"umin", r.UMin, r.UMin == 0}, {"umax", r.UMax, r.UMax == math.MaxUint64},
		{"smin32", uint64(int64(r.SMin32)), r.SMin32 == math.MinInt32}, {"smax32", uint64(int64(r.SMax32)), r.SMax32 == math.MaxInt32},
		{"umin32", uint64(r.UMin32), r.UMin32 == 0}, {"umax32", uint64(r.UMax32), r.UMax32 == math.MaxUint32},
	}
	negative := func(b *bound) bool { return b.name[0] == 's' && int64(b.n) < 0 }
	for i := range all {
		a := &all[i]
		if a.omit {
			continue
		}
		s := a.name + "="
		for k := i + 2; k < len(all); k += 2 {
			if b := &all[k]; !b.omit && b.n == a.n && negative(a) == negative(b) {
				b.omit = true
				s += b.name + "="
			}
		}
		if a.name[0] == 's' {
			s += signedText(int64(a.n))
		} else {
			s += unsignedText(a.n)
		}
		out = append(out, s)
	}
	return out
}

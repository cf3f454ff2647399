package seccomp_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/seccomp"
)

func arg(i int, op seccomp.Op, v uint64) seccomp.Arg {
	return seccomp.Arg{Index: i, Op: op, Value: v}
}

// TestCases checks how conditions are told.
func TestCases(t *testing.T) {
	masked := seccomp.Arg{Index: 2, Op: seccomp.MaskedEqual, Mask: 0x7000_0000_0001, Value: 1}
	for _, c := range []struct {
		args []seccomp.Arg
		want string
	}{
		{nil, "allow"},
		{[]seccomp.Arg{arg(0, seccomp.Equal, 5)}, "allow if arg0 == 0x5; else kill_thread"},
		{[]seccomp.Arg{arg(1, seccomp.NotEqual, 1<<33)}, "kill_thread if arg1 == 0x200000000; else allow"},
		{[]seccomp.Arg{arg(1, seccomp.Less, 10)}, "allow if arg1 <= 0x9; else kill_thread"},
		{[]seccomp.Arg{arg(1, seccomp.GreaterEqual, 1<<40+1)}, "kill_thread if arg1 <= 0x10000000000; else allow"},
		{[]seccomp.Arg{masked}, "allow if arg2 & 0x700000000001 == 0x1; else kill_thread"},
		{[]seccomp.Arg{arg(0, seccomp.Equal, 16), arg(2, seccomp.Less, 9)}, "allow if arg0 == 0x10 and arg2 <= 0x8; else kill_thread"},
		{[]seccomp.Arg{arg(3, seccomp.Greater, 4), arg(3, seccomp.LessEqual, 7)}, "allow if 0x5 <= arg3 <= 0x7; else kill_thread"},
	} {
		f, err := seccomp.Compile(&seccomp.Policy{Arches: []seccomp.Arch{seccomp.AMD64}, Rules: []seccomp.Rule{{Syscalls: []string{"socket"}, Args: c.args, Action: seccomp.Allow}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := f.Table()
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rows, func(r seccomp.Row) bool { return r.Name == "socket" })
		var text []string
		for j, k := range rows[i].Cases {
			switch {
			case k.When != "":
				text = append(text, fmt.Sprint(k.Action, " if ", k.When))
			case j > 0:
				text = append(text, fmt.Sprint("else ", k.Action))
			default:
				text = append(text, k.Action.String())
			}
		}
		if got := strings.Join(text, "; "); got != c.want {
			t.Errorf("%v:\n got %s\nwant %s", c.args, got, c.want)
		}
	}
}

// TestTable looks up calls in the tables of random policies' filters: each number is in one row, whose answers are
// those that the filter gives.
func TestTable(t *testing.T) {
	for i := range 13 {
		r := rand.New(rand.NewPCG(uint64(i), 11))
		p := randomPolicy(r, families[i%len(families)])
		f, err := seccomp.Compile(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := f.Table()
		if err != nil {
			t.Fatal(err)
		}
		if text, err := f.Explain(); err != nil || !strings.Contains(text, "instructions, at most") {
			t.Errorf("%v: %s", err, text)
		}
		for _, d := range calls(p, r) {
			got := f.Interpret(&d)
			found := 0
			for _, row := range rows {
				if row.Arch == seccomp.ArchOf(d.Arch, d.Nr) && row.Arch != seccomp.NoArch && row.First <= d.Nr && d.Nr <= row.Last {
					found++
					if !slices.ContainsFunc(row.Cases, func(c seccomp.Case) bool { return c.Action == got }) || len(row.Cases) == 1 && row.Cases[0].Action != got {
						t.Fatalf("policy %d: %+v: %s is not in %+v", i, d, got, row)
					}
				}
			}
			if seccomp.ArchOf(d.Arch, d.Nr) != seccomp.NoArch && slices.Contains(p.Arches, seccomp.ArchOf(d.Arch, d.Nr)) && found != 1 {
				t.Fatalf("policy %d: %+v is in %d rows", i, d, found)
			}
		}
	}
}

// TestDiff compares policies that differ in one thing.
func TestDiff(t *testing.T) {
	compile := func(rules ...seccomp.Rule) *seccomp.Filter {
		f, err := seccomp.Compile(&seccomp.Policy{Default: seccomp.Errno(1), Arches: []seccomp.Arch{seccomp.S390X, seccomp.S390}, Rules: rules}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	read := seccomp.Rule{Syscalls: []string{"read"}, Action: seccomp.Allow}
	high := seccomp.Rule{Syscalls: []string{"lseek"}, Args: []seccomp.Arg{arg(1, seccomp.Greater, 7<<32|5)}, Action: seccomp.Log}
	higher := seccomp.Rule{Syscalls: []string{"lseek"}, Args: []seccomp.Arg{arg(1, seccomp.Greater, 7<<32|6)}, Action: seccomp.Log}
	if diff, err := seccomp.Diff(compile(read, high), compile(high, read)); err != nil || diff != nil {
		t.Errorf("rules in another order differ: %v %v", diff, err)
	}
	diff, err := seccomp.Diff(compile(read, high), compile(read, higher))
	if err != nil || len(diff) != 1 {
		t.Fatal(diff, err)
	}
	if d := diff[0]; d.Arch != seccomp.S390X || d.Name != "lseek" || d.A != seccomp.Log || d.B != seccomp.Errno(1) || d.Example.Args[1] != 7<<32|6 || d.Always {
		t.Errorf("%+v", d)
	}
	diff, err = seccomp.Diff(compile(read), compile())
	if err != nil || len(diff) != 2 || !diff[0].Always || diff[0].Calls != "read" {
		t.Errorf("%v %v", diff, err)
	}
}

// TestArithmetic proves things of filters that calculate.
func TestArithmetic(t *testing.T) {
	filter := func(text string) *seccomp.Filter {
		code, err := classic.Assemble("test", text)
		if err != nil {
			t.Fatal(err)
		}
		f, err := seccomp.NewFilter(code)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a := filter("ld [16]\nadd #5\nst M[3]\nldx #8\nld M[3]\nsub x\nlsh #1\njeq #20, yes\nret #0x7fff0000\nyes: ret #0")
	b := filter("ld [16]\nand #0x7fffffff\njeq #13, yes\nret #0x7fff0000\nyes: ret #0")
	if diff, err := seccomp.Diff(a, b); err != nil || diff != nil {
		t.Errorf("%v %v", diff, err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	n := 40
	if testing.Short() {
		n = 8
	}
	for range n { // random code, of which all that is said must be so
		var code []bpf.RawInstruction
		n := 4 + r.IntN(20)
		for i := range n {
			ops := []uint16{0x20, 0x20, 0x54, 0x04, 0x14, 0x44, 0xa4, 0x64, 0x74, 0x84, 0x07, 0x87, 0x0c, 0x5c, 0x15, 0x25, 0x35, 0x45, 0x06}
			in := bpf.RawInstruction{Op: ops[r.IntN(len(ops))], K: r.Uint32N(32)}
			if in.Op == 0x20 {
				in.K = r.Uint32N(5) * 4
			}
			if left := n - i - 1; in.Op&7 == 5 && left > 0 {
				in.Jt, in.Jf = uint8(r.IntN(left+1)), uint8(r.IntN(left+1))
			} else if in.Op&7 == 5 {
				in = bpf.RawInstruction{Op: 0x06, K: r.Uint32N(4)}
			}
			code = append(code, in)
		}
		code = append(code, bpf.RawInstruction{Op: 0x16})
		f, err := seccomp.NewFilter(code)
		if err != nil {
			t.Fatal(err)
		}
		g, err := seccomp.NewFilter(append([]bpf.RawInstruction{{Op: 0x20, K: 16}, {Op: 0x15, Jf: 1, K: 77}, {Op: 0x06, K: 12345}, {Op: 0x00, K: 0}}, code...))
		if err != nil {
			t.Fatal(err)
		}
		diff, err := seccomp.Diff(f, g)
		if errors.Is(err, seccomp.ErrTooComplex) {
			continue
		}
		if err != nil || len(diff) == 0 {
			t.Fatal("no difference where one was made", err)
		}
		for _, d := range diff {
			if f.Interpret(&d.Example) != d.A || g.Interpret(&d.Example) != d.B || d.A == d.B {
				t.Fatalf("%+v: %s and %s", d, f.Interpret(&d.Example), g.Interpret(&d.Example))
			}
		}
	}
}

// TestTooComplex compares arguments with each other, which takes a diagram beyond all bounds.
func TestTooComplex(t *testing.T) {
	code, err := classic.Assemble("test", "ld [16]\ntax\nld [32]\nmul x\njeq #20, yes\nret #0x7fff0000\nyes: ret #0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := seccomp.NewFilter(code)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Table(); !errors.Is(err, seccomp.ErrTooComplex) {
		t.Errorf("error %v", err)
	}
}

// TestListing checks the meanings beside a filter's code.
func TestListing(t *testing.T) {
	f, err := seccomp.Compile(&seccomp.Policy{Default: seccomp.Errno(38), Arches: []seccomp.Arch{seccomp.AMD64}, Rules: []seccomp.Rule{
		{Syscalls: []string{"read", "write", "open"}, Action: seccomp.Allow},
		{Syscalls: []string{"socket"}, Args: []seccomp.Arg{arg(0, seccomp.Equal, 1)}, Action: seccomp.Allow},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range f.Listing() {
		all = append(all, l.Text+" ; "+l.Meaning)
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{"; A = architecture", "; the architecture is amd64", "; A = number of the call", "; the call is socket", "; A = arg0 (domain), low half", "; errno ENOSYS", "; allow", "; the call is close or behind it"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

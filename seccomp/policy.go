// Implements policies: their form, their checks, and what they say of a call.

package seccomp

import (
	"fmt"
	"strings"
)

// Policy says what is to be done with each system call.
type Policy struct {
	// Default is for calls that no rule matches, also those with numbers that no call has.
	Default Action
	// Arches lists the architectures that the rules are about; none means the one that this program was built for.
	// All must have the same byte order.
	Arches []Arch
	// OtherArch is for calls of all other architectures. That includes x32 calls, unless X32 is listed, though their
	// architecture number is that of AMD64. The zero value is KillThread, as in libseccomp and container runtimes.
	OtherArch Action
	// Rules are looked at in order: the first that matches counts.
	Rules []Rule
	// Flags go to the kernel with the filter.
	Flags Flags
}

// Rule is an answer to some system calls.
type Rule struct {
	// Syscalls are names, such as "openat". A name counts on the architectures that have such a call, but one that no
	// architecture has is an error. On architectures that offer the call through socketcall or ipc as well (386,
	// s390x, ppc64, mips), the rule covers that too. If it has Args, which cannot be seen there, the stricter of its
	// action and what the call would get without it counts.
	Syscalls []string
	// Args are tests, which must all hold.
	Args   []Arg
	Action Action
}

// Op compares an argument with a value.
type Op uint8

// The comparisons, all of unsigned 64-bit numbers.
const (
	Equal Op = iota
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
	MaskedEqual // argument & Mask == Value
)

// opNames holds the symbols here and the names of the runtime specification without SCMP_CMP_.
var opNames = [...]struct{ symbol, oci string }{
	{"==", "EQ"}, {"!=", "NE"}, {"<", "LT"}, {"<=", "LE"}, {">", "GT"}, {">=", "GE"}, {"& ==", "MASKED_EQ"},
}

// Arg is a test of an argument.
type Arg struct {
	Index int // from 0 to 5
	Op    Op
	Value uint64
	Mask  uint64 // for MaskedEqual
}

// String returns the test as in C, such as "arg1 & 0x3 == 0x1".
func (a Arg) String() string {
	if a.Op == MaskedEqual {
		return fmt.Sprintf("arg%d & %#x == %#x", a.Index, a.Mask, a.Value)
	}
	symbol := "?"
	if int(a.Op) < len(opNames) {
		symbol = opNames[a.Op].symbol
	}
	return fmt.Sprintf("arg%d %s %#x", a.Index, symbol, a.Value)
}

// Flags are those of seccomp(2) with SECCOMP_SET_MODE_FILTER.
type Flags uint32

// The flags, with their values in linux/seccomp.h. Load sets the first by itself where it is needed.
const (
	FlagSync         Flags = 1 << 0 // TSYNC: all threads of the process
	FlagLog          Flags = 1 << 1 // LOG: log all answers but Allow, if the system's configuration does not object
	FlagSpecAllow    Flags = 1 << 2 // SPEC_ALLOW: do not switch off speculation
	FlagNewListener  Flags = 1 << 3 // NEW_LISTENER: make a Listener for the action Notify
	flagSyncESRCH    Flags = 1 << 4 // TSYNC_ESRCH: fail with ESRCH instead of a thread's number
	FlagWaitKillable Flags = 1 << 5 // WAIT_KILLABLE_RECV: only fatal signals interrupt a call that the listener has received
)

var flagNames = []struct {
	flag Flags
	oci  string
}{
	{FlagSync, "TSYNC"}, {FlagLog, "LOG"}, {FlagSpecAllow, "SPEC_ALLOW"}, {FlagNewListener, "NEW_LISTENER"},
	{flagSyncESRCH, "TSYNC_ESRCH"}, {FlagWaitKillable, "WAIT_KILLABLE_RECV"},
}

// OCI returns the names of the flags in the runtime specification, such as "SECCOMP_FILTER_FLAG_LOG".
func (f Flags) OCI() []string {
	var names []string
	for _, n := range flagNames {
		if f&n.flag != 0 {
			names = append(names, "SECCOMP_FILTER_FLAG_"+n.oci)
		}
	}
	return names
}

// parseFlag reads a flag's name in the runtime specification.
func parseFlag(s string) (Flags, error) {
	var names []string
	for _, n := range flagNames {
		name := "SECCOMP_FILTER_FLAG_" + n.oci
		if s == name {
			return n.flag, nil
		}
		if n.flag != flagSyncESRCH {
			names = append(names, name)
		}
	}
	return 0, fmt.Errorf("unknown flag %q, expected one of %s", s, strings.Join(names, ", "))
}

// PolicyError says what is wrong with a policy. Places that do not apply are -1.
type PolicyError struct {
	Rule    int // index of the rule
	Syscall int // index of the name in it
	Arg     int // index of the test in it
	Text    string
}

func (e *PolicyError) Error() string {
	switch {
	case e.Rule < 0:
		return e.Text
	case e.Arg >= 0:
		return fmt.Sprintf("rule %d, test %d: %s", e.Rule, e.Arg, e.Text)
	}
	return fmt.Sprintf("rule %d: %s", e.Rule, e.Text)
}

func policyErrorf(format string, args ...any) error {
	return &PolicyError{-1, -1, -1, fmt.Sprintf(format, args...)}
}

// arches returns the policy's architectures.
func (p *Policy) arches() []Arch {
	if len(p.Arches) == 0 {
		return []Arch{Native()}
	}
	return p.Arches
}

// Check reports what is wrong with a policy: the error is a *PolicyError.
func (p *Policy) Check() error {
	seen := map[Arch]bool{}
	for _, a := range p.arches() {
		switch {
		case a == NoArch || int(a) >= len(archRows):
			return policyErrorf("the architecture is missing, or unknown")
		case seen[a]:
			return policyErrorf("the architecture %s is there twice", a)
		case a.BigEndian() != p.arches()[0].BigEndian():
			return policyErrorf("%s and %s have different byte orders, so that no kernel has both", p.arches()[0], a)
		}
		seen[a] = true
	}
	for _, a := range []Action{p.Default, p.OtherArch} {
		if !a.Known() {
			return policyErrorf("unknown action %s", a)
		}
	}
	for i := range p.Rules {
		if err := p.Rules[i].check(); err != nil {
			err.Rule = i
			return err
		}
	}
	return nil
}

func (r *Rule) check() *PolicyError {
	fail := func(name, arg int, format string, args ...any) *PolicyError {
		return &PolicyError{-1, name, arg, fmt.Sprintf(format, args...)}
	}
	switch {
	case !r.Action.Known():
		return fail(-1, -1, "unknown action %s", r.Action)
	case r.Action.Kind() == ErrnoAction && r.Action.Data() > MaxErrno:
		return fail(-1, -1, "error number %d, at most %d is possible", r.Action.Data(), MaxErrno)
	case len(r.Syscalls) == 0:
		return fail(-1, -1, "it names no system call")
	}
	for i, name := range r.Syscalls {
		if !KnownSyscall(name) {
			return fail(i, -1, "no architecture has a system call %q (the tables are those of Linux %s)", name, TablesFrom())
		}
	}
	for i, a := range r.Args {
		if text := a.wrong(); text != "" {
			return fail(-1, i, "%s", text)
		}
	}
	if contradictory(r.Args) {
		return fail(-1, len(r.Args)-1, "no call can pass all tests of the rule")
	}
	return nil
}

// wrong says why a test makes no sense, or nothing.
func (a Arg) wrong() string {
	switch {
	case a.Index < 0 || a.Index > 5:
		return fmt.Sprintf("there is no argument %d, they count from 0 to 5", a.Index)
	case int(a.Op) >= len(opNames):
		return fmt.Sprintf("unknown comparison %d", a.Op)
	case a.Op != MaskedEqual && a.Mask != 0:
		return "only a masked comparison has a mask"
	case a.Op == MaskedEqual && a.Value&^a.Mask != 0:
		return fmt.Sprintf("no argument passes: the value %#x has bits that the mask %#x clears", a.Value, a.Mask)
	case a.Op == Less && a.Value == 0:
		return "no argument passes: nothing is less than 0"
	case a.Op == Greater && a.Value == ^uint64(0):
		return "no argument passes: nothing is greater than 0xffffffffffffffff"
	}
	return ""
}

// Holds reports whether an argument passes the test.
func (a Arg) Holds(v uint64) bool {
	switch a.Op {
	case Equal:
		return v == a.Value
	case NotEqual:
		return v != a.Value
	case Less:
		return v < a.Value
	case LessEqual:
		return v <= a.Value
	case Greater:
		return v > a.Value
	case GreaterEqual:
		return v >= a.Value
	}
	return v&a.Mask == a.Value
}

// noCall is the number with which tracers say that no call is to be made.
const noCall = 0xffffffff

// Decide returns what the policy says of a call. It is the meaning of policies in its plainest form, which Compile
// is held against; a Filter is faster.
func (p *Policy) Decide(d *Data) Action {
	arch := p.archOf(d)
	if arch == NoArch {
		return p.OtherArch
	}
	action := p.Default
	for i := len(p.Rules) - 1; i >= 0; i-- { // a rule before goes over one behind
		r := &p.Rules[i]
		for _, name := range r.Syscalls {
			switch r.match(arch, name, d) {
			case matches:
				action = r.Action
			case mayMatch:
				action = stricter(r.Action, action)
			}
		}
	}
	return action
}

// archOf returns the listed architecture that a call is of, or NoArch.
func (p *Policy) archOf(d *Data) Arch {
	for _, a := range p.arches() {
		if a.Audit() == d.Arch && a.has(d.Nr) {
			return a
		}
	}
	return NoArch
}

// has reports whether a number is one of the architecture's, among those that share its architecture number.
func (a Arch) has(nr uint32) bool {
	return nr == noCall || a != AMD64 && a != X32 || (nr >= x32Bit) == (a == X32)
}

// match says whether a rule is about a call.
type match uint8

const (
	matchesNot match = iota
	matches
	mayMatch
)

// match judges a call by one of the rule's names.
func (r *Rule) match(arch Arch, name string, d *Data) match {
	if n, ok := arch.Number(name); ok && n == d.Nr {
		for _, a := range r.Args {
			if !a.Holds(arch.argument(d, a.Index)) {
				return matchesNot
			}
		}
		return matches
	}
	m, isMuxed := multiplexed[name]
	if n, ok := arch.Number(m.by); !isMuxed || !ok || n != d.Nr || arch.argument(d, 0)&m.mask() != uint64(m.call) {
		return matchesNot
	}
	if len(r.Args) > 0 {
		return mayMatch
	}
	return matches
}

// argument returns an argument as the architecture has it.
func (a Arch) argument(d *Data, i int) uint64 {
	if a.Narrow() {
		return uint64(uint32(d.Args[i]))
	}
	return d.Args[i]
}

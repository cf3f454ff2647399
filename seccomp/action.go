// Implements actions: what a filter answers.

package seccomp

import (
	"fmt"
	"strconv"
	"strings"
)

// Action is what is done with a call: a SECCOMP_RET_ value of linux/seccomp.h, the action in the upper 16 bits and
// its data in the lower.
type Action uint32

// The actions, from the strictest to the mildest. When a process has several filters the strictest answer counts.
const (
	KillProcess Action = 0x80000000 // the process ends as if by SIGSYS
	KillThread  Action = 0x00000000 // the thread ends as if by SIGSYS
	TrapAction  Action = 0x00030000 // the thread gets SIGSYS; see Trap
	ErrnoAction Action = 0x00050000 // the call fails with an error number; see Errno
	Notify      Action = 0x7fc00000 // the call waits for the answer of a Listener
	TraceAction Action = 0x7ff00000 // a tracer decides; see Trace
	Log         Action = 0x7ffc0000 // the call goes on, and is logged
	Allow       Action = 0x7fff0000 // the call goes on
)

// MaxErrno is the greatest error number that a call can fail with.
const MaxErrno = 4095

const actionMask Action = 0xffff0000

// Errno makes a call fail with an error number, from 0 to MaxErrno.
func Errno(n uint16) Action { return ErrnoAction | Action(min(n, MaxErrno)) }

// Trap sends SIGSYS, with data in siginfo's si_errno.
func Trap(data uint16) Action { return TrapAction | Action(data) }

// Trace stops the call for a tracer, which sees data (PTRACE_GETEVENTMSG). Without a tracer the call fails with ENOSYS.
func Trace(data uint16) Action { return TraceAction | Action(data) }

// Kind returns the action without its data.
func (a Action) Kind() Action { return a & actionMask }

// Data returns the lower 16 bits.
func (a Action) Data() uint16 { return uint16(a) }

// actionNames holds the names here and in the runtime specification.
var actionNames = []struct {
	kind      Action
	name, oci string
}{
	{KillProcess, "kill_process", "KILL_PROCESS"}, {KillThread, "kill_thread", "KILL_THREAD"}, {TrapAction, "trap", "TRAP"},
	{ErrnoAction, "errno", "ERRNO"}, {Notify, "notify", "NOTIFY"}, {TraceAction, "trace", "TRACE"}, {Log, "log", "LOG"},
	{Allow, "allow", "ALLOW"},
}

// Known reports whether the kernel knows the action. It takes all others for KillProcess.
func (a Action) Known() bool { return a.name() != "" }

func (a Action) name() string {
	for _, n := range actionNames {
		if n.kind == a.Kind() {
			return n.name
		}
	}
	return ""
}

// String returns the action as ParseAction reads it: "allow", "errno EPERM", "trace 7".
func (a Action) String() string {
	name, data := a.name(), a.Data()
	switch {
	case name == "":
		return fmt.Sprintf("%#08x", uint32(a))
	case a.Kind() == ErrnoAction:
		if e := ErrnoName(data); e != "" {
			return name + " " + e
		}
		return fmt.Sprint(name, " ", data)
	case data != 0:
		return fmt.Sprint(name, " ", data)
	}
	return name
}

// ParseAction reads an action as String writes it, or as the runtime specification does ("SCMP_ACT_ALLOW", with
// errno EPERM). The error number may be a name or a number.
func ParseAction(s string) (Action, error) {
	word, data, hasData := strings.Cut(strings.TrimSpace(s), " ")
	kind, err := parseKind(word)
	if err != nil {
		return 0, err
	}
	if !hasData {
		if kind == ErrnoAction {
			kind = Errno(1)
		}
		return kind, nil
	}
	n, err := strconv.ParseUint(data, 0, 16)
	if number, ok := ErrnoNumber(data); ok && kind == ErrnoAction {
		n, err = uint64(number), nil
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("action %q: expected a number up to 65535 or the name of an error, found %q", s, data)
	case kind == ErrnoAction && n > MaxErrno:
		return 0, fmt.Errorf("action %q: error numbers go up to %d", s, MaxErrno)
	case kind != ErrnoAction && kind != TrapAction && kind != TraceAction:
		return 0, fmt.Errorf("action %q: %s takes no number", s, word)
	}
	return kind | Action(n), nil
}

// parseKind reads the name of an action, without data.
func parseKind(s string) (Action, error) {
	oci, isOCI := strings.CutPrefix(s, "SCMP_ACT_")
	if isOCI && oci == "KILL" {
		return KillThread, nil
	}
	var names []string
	for _, n := range actionNames {
		if s == n.name || isOCI && oci == n.oci {
			return n.kind, nil
		}
		names = append(names, n.name)
	}
	if isOCI || strings.HasPrefix(s, "SCMP") {
		for i, n := range actionNames {
			names[i] = "SCMP_ACT_" + n.oci
		}
	}
	return 0, fmt.Errorf("unknown action %q, expected one of %s", s, strings.Join(names, ", "))
}

// stricter returns the one of two actions that the kernel would obey: the lesser as a signed number
// (seccomp_run_filters in kernel/seccomp.c).
func stricter(a, b Action) Action {
	if int32(b&actionMask) < int32(a&actionMask) {
		return b
	}
	return a
}

// Implements the types that are the same on every system: options, results and errors.

package kernel

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Options says how to load a program. The zero value and nil load it as fast as possible.
type Options struct {
	// Log asks for the verifier's log of a rejection. It costs a second attempt, only then.
	Log bool

	// AlwaysLog asks for the log of accepted programs as well, at LogLevel; see Program.Log.
	AlwaysLog bool

	// LogLevel is the kernel's level: 1 prints the path that was refused, 2 every path, 4 statistics only.
	// 0 means 1.
	LogLevel uint32

	// HelperID resolves the names in spec.Program.Calls. If it is nil, programs with named calls fail.
	HelperID func(name string) (id int32, ok bool)

	// Programs are those that the contents of a prog_array name.
	Programs map[string]*Program

	// Maps are descriptors of maps that are there already, by name, instead of new ones. They are the caller's.
	Maps map[string]int

	// Keep, if not nil, keeps the maps of one Load for the next that names them, which must mean the same. It saves time.
	Keep *MapCache
}

// MaxFuncMemory is the greatest size in bytes of the memory of a function. It has to fit, with R0 behind it,
// into the one page that holds an XDP packet and its head and tail room.
const MaxFuncMemory = 3072

// Result is what a run left.
type Result struct {
	Retval   uint32        // low 32 bits of R0, of the last run
	Data     []byte        // packet as the program left it, nil where the type has none
	Ctx      []byte        // context as the program left it, nil if none was given
	Duration time.Duration // average time of a run as the kernel measured it, 0 where it does not measure
}

// VerifierError says that the kernel refused to load a program.
type VerifierError struct {
	Name string // the program's name
	Err  error  // the system call's error number
	Log  string // the verifier's log, "" if it was not asked for or the kernel wrote none

	// Base is the number in the log of the first instruction of the code as it was given: above 0 for
	// functions, which are loaded behind a few instructions of their own.
	Base int
}

// Unwrap returns the error number.
func (e *VerifierError) Unwrap() error { return e.Err }

// Error gives the verifier's reason and the instruction it was at, in one line.
func (e *VerifierError) Error() string {
	msg := fmt.Sprintf("the kernel refused program %q: %v", e.Name, e.Err)
	reason, at := e.Reason()
	if reason != "" {
		msg += ": " + reason
	}
	if at != "" {
		msg += fmt.Sprintf(" (at %q", at)
		if e.Base > 0 {
			msg += fmt.Sprintf(", where the function's first instruction is %d", e.Base)
		}
		msg += ")"
	}
	return msg
}

// These lines of a log say nothing about the reason.
var (
	statistics  = regexp.MustCompile(`^(processed \d+ insns|verification time|stack depth|peak_states|mark_read|func#\d+ |max_states)`)
	instruction = regexp.MustCompile(`^\d+: \([0-9a-f]{2}\) `)
	state       = regexp.MustCompile(`^(\d+: )?(; |R\d|frame\d|from \d+ to \d+|mark_precise|caller:|callee:|returning from callee|to caller at|propagating )`)
)

// Reason returns what the log says after the last instruction it names, in one line, and that instruction.
// Either may be "".
func (e *VerifierError) Reason() (reason, at string) {
	lines := strings.Split(e.Log, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		switch {
		case line == "" || statistics.MatchString(line):
		case instruction.MatchString(line):
			at, _, _ = strings.Cut(line, " ;")
			return reason, strings.TrimSpace(at)
		case state.MatchString(line) && !complaint.MatchString(line):
		case reason == "":
			reason = line
		case len(reason) < 200:
			reason = line + "; " + reason
		}
	}
	return reason, ""
}

// complaint matches reasons that start with a register, as states do.
var complaint = regexp.MustCompile(`^R\d+ [^=]*$|^R\d+ [a-z!]`)

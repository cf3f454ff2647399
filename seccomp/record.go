// Implements recordings of system calls, and the policies that they propose.

package seccomp

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"
)

// RecordOptions says how to run a command that is recorded. The zero value, and nil, give it this process's
// environment and standard streams.
type RecordOptions struct {
	Env            []string
	Dir            string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Count is a system call and how often it was made.
type Count struct {
	Arch   Arch   // NoArch if there is no table for its architecture
	Audit  uint32 // architecture number
	Number uint32
	Name   string // "" if the tables have none
	Calls  uint64
}

// Recording is what a command and all that it started did.
type Recording struct {
	Counts    []Count // most frequent first
	Processes int     // processes and threads
	ExitCode  int     // of the command; 128 and the signal's number if one ended it
}

// sort puts the most frequent calls first.
func (r *Recording) sort() {
	slices.SortFunc(r.Counts, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Calls, a.Calls), cmp.Compare(a.Audit, b.Audit), cmp.Compare(a.Number, b.Number))
	})
}

// Policy returns the policy that allows what was recorded and refuses all else with an action. Calls without a name
// are not in it.
func (r *Recording) Policy(otherwise Action) *Policy {
	p := &Policy{Default: otherwise}
	var names []string
	for _, c := range r.Counts {
		if c.Name == "" {
			continue
		}
		if !slices.Contains(p.Arches, c.Arch) {
			p.Arches = append(p.Arches, c.Arch)
		}
		names = append(names, c.Name)
	}
	slices.Sort(names)
	p.Rules = []Rule{{Syscalls: slices.Compact(names), Action: Allow}}
	return p
}

// Frequencies returns how often each call was made, for Options.
func (r *Recording) Frequencies() map[string]float64 {
	f := map[string]float64{}
	for _, c := range r.Counts {
		if c.Name != "" {
			f[c.Name] += float64(c.Calls)
		}
	}
	return f
}

// The JSON of the runtime specification.
type (
	ociProfile struct {
		DefaultAction   string    `json:"defaultAction"`
		DefaultErrnoRet *uint16   `json:"defaultErrnoRet,omitempty"`
		Architectures   []string  `json:"architectures"`
		Flags           []string  `json:"flags,omitempty"`
		Syscalls        []ociRule `json:"syscalls"`
	}
	ociRule struct {
		Names    []string `json:"names"`
		Action   string   `json:"action"`
		ErrnoRet *uint16  `json:"errnoRet,omitempty"`
		Args     []ociArg `json:"args,omitempty"`
	}
	ociArg struct {
		Index    int    `json:"index"`
		Value    uint64 `json:"value"`
		ValueTwo uint64 `json:"valueTwo,omitempty"`
		Op       string `json:"op"`
	}
)

// Profile returns the policy as a profile, the JSON that container runtimes read. They read it as it is meant if no
// call has two rules with different actions. OtherArch is not in it.
func (p *Policy) Profile() ([]byte, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	out := ociProfile{Flags: p.Flags.OCI(), Syscalls: []ociRule{}}
	out.DefaultAction, out.DefaultErrnoRet = p.Default.oci()
	for _, a := range p.arches() {
		out.Architectures = append(out.Architectures, a.OCI())
	}
	for _, r := range p.Rules {
		rule := ociRule{Names: r.Syscalls}
		rule.Action, rule.ErrnoRet = r.Action.oci()
		for _, a := range r.Args {
			arg := ociArg{Index: a.Index, Value: a.Value, Op: "SCMP_CMP_" + opNames[a.Op].oci}
			if a.Op == MaskedEqual {
				arg.Value, arg.ValueTwo = a.Mask, a.Value
			}
			rule.Args = append(rule.Args, arg)
		}
		out.Syscalls = append(out.Syscalls, rule)
	}
	return json.MarshalIndent(out, "", "  ")
}

// oci returns the action's name in the runtime specification, and its number if it has one.
func (a Action) oci() (name string, data *uint16) {
	for _, n := range actionNames {
		if n.kind == a.Kind() {
			name = "SCMP_ACT_" + n.oci
		}
	}
	if k := a.Kind(); k == ErrnoAction || k == TraceAction || a.Data() != 0 {
		d := a.Data()
		data = &d
	}
	return name, data
}

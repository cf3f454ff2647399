// Implements what a profile comes to in a certain place: the policy that a container runtime makes of it.

package seccomp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ProfileOptions says where a profile is used. The zero value, and nil, mean the architecture that this program was
// built for, no capabilities, and a kernel newer than any that a profile asks for.
type ProfileOptions struct {
	Arch         Arch     // the machine's own; others that it runs come from the profile
	Capabilities []string // of the container's bounding set, such as "CAP_SYS_ADMIN"
	Kernel       string   // release, such as "6.1"

	// IgnoreUnknown lets names pass that no architecture has, as runtimes do. Otherwise they are errors.
	IgnoreUnknown bool
}

// resolved is a policy and where its rules come from.
type resolved struct {
	policy Policy
	from   []*profileRule
	notes  []string
}

// Policy returns what container runtimes that use libseccomp make of the profile, and notes about rules that do not
// do what they seem to. The error is a *ProfileError, or about opts.
//
// Rules whose conditions are not met are left out, and so are those with the default action. A rule without tests
// goes over all that have some, wherever it stands, and the first such over others. A rule that tests one argument
// twice stands for several, one a test, any of which may match; otherwise all must. Among rules with tests the first
// that matches counts (libseccomp has no rule for that).
func (p *Profile) Policy(opts *ProfileOptions) (*Policy, []string, error) {
	r, err := p.resolve(opts)
	if err != nil {
		return nil, nil, profileError(err)
	}
	return &r.policy, r.notes, nil
}

// Compile compiles the profile's policy. It fails with a *ProfileError, which for a profile that is too long wraps
// ErrTooLong. Either argument may be nil.
func (p *Profile) Compile(where *ProfileOptions, opts *Options) (*Filter, error) {
	r, err := p.resolve(where)
	if err != nil {
		return nil, profileError(err)
	}
	f, err := Compile(&r.policy, opts)
	var wrong *PolicyError
	switch {
	case errors.Is(err, ErrTooLong):
		return nil, &placedError{profileError(p.reader.Fail(p.place("syscalls"), "%s", err)), ErrTooLong}
	case errors.As(err, &wrong) && wrong.Rule >= 0:
		path := r.from[wrong.Rule].path
		if wrong.Arg >= 0 {
			path += ".args"
		}
		return nil, profileError(p.reader.Fail(path, "%s", wrong.Text))
	case errors.As(err, &wrong):
		return nil, profileError(p.reader.Fail(p.place("architectures"), "%s", wrong.Text))
	}
	return f, err
}

// placedError is an error with a place that is also another.
type placedError struct {
	error
	is error
}

func (e *placedError) Unwrap() []error { return []error{e.error, e.is} }

func (p *Profile) resolve(opts *ProfileOptions) (*resolved, error) {
	if opts == nil {
		opts = &ProfileOptions{}
	}
	arch := opts.Arch
	if arch == NoArch {
		arch = Native()
	}
	if arch == NoArch {
		return nil, errors.New("there is no table of system calls for this machine, choose an architecture")
	}
	kernel, err := parseKernel(opts.Kernel)
	if err != nil {
		return nil, err
	}
	out := &resolved{policy: Policy{Default: p.def, Arches: p.arches(arch), Flags: p.flags}}
	for i := range p.rules {
		r := &p.rules[i]
		if err := p.checkNames(r, opts, out); err != nil {
			return nil, err
		}
		if r.includes.met(arch, opts.Capabilities, kernel) && !r.excludes.any(arch, opts.Capabilities, kernel) {
			out.from = append(out.from, r)
		}
	}
	out.rules()
	return out, nil
}

// arches returns the architecture and those that go with it.
func (p *Profile) arches(native Arch) []Arch {
	all := []Arch{native}
	others := p.architectures
	for _, m := range p.archMap {
		if m.arch == native {
			others = m.sub
		}
	}
	for _, a := range others {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

func (p *Profile) checkNames(r *profileRule, opts *ProfileOptions, out *resolved) error {
	for i, name := range r.names {
		if KnownSyscall(name) {
			continue
		}
		path := r.nameAt
		if strings.Contains(path, "%d") {
			path = fmt.Sprintf(path, i)
		}
		if !opts.IgnoreUnknown {
			return p.reader.Fail(path, "no architecture has a system call %q (the tables are those of Linux %s)", name, TablesFrom())
		}
		out.notes = append(out.notes, fmt.Sprintf("%s: unknown system call %q ignored", path, name))
	}
	return nil
}

// met reports whether all that "includes" asks for is so.
func (c *condition) met(arch Arch, caps []string, kernel kernelVersion) bool {
	if len(c.arches) > 0 && !slices.Contains(c.arches, arch) {
		return false
	}
	for _, name := range c.caps {
		if !slices.Contains(caps, name) {
			return false
		}
	}
	return !kernel.before(c.kernel)
}

// any reports whether something that "excludes" names is so.
func (c *condition) any(arch Arch, caps []string, kernel kernelVersion) bool {
	if slices.Contains(c.arches, arch) {
		return true
	}
	for _, name := range c.caps {
		if slices.Contains(caps, name) {
			return true
		}
	}
	return c.kernel != kernelVersion{} && !kernel.before(c.kernel)
}

// before reports whether a kernel is older than another; one of which nothing is said is not.
func (v kernelVersion) before(w kernelVersion) bool {
	return v != kernelVersion{} && slices.Compare(v[:], w[:]) < 0
}

// rules makes the policy's rules of those that apply, in the order that the answer to Policy describes.
func (out *resolved) rules() {
	candidates := out.from
	out.from = nil
	plain := map[string]*profileRule{} // the first rule without tests
	for _, r := range candidates {
		if len(r.args) > 0 || r.action == out.policy.Default {
			continue
		}
		rule := Rule{Action: r.action}
		for _, name := range r.names {
			switch first := plain[name]; {
			case !KnownSyscall(name):
			case first == nil:
				plain[name] = r
				rule.Syscalls = append(rule.Syscalls, name)
			case first.action != r.action:
				out.note(r, name, "%s already has the action %s", first.path, first.action)
			}
		}
		out.add(rule, r)
	}
	for _, r := range candidates {
		if len(r.args) == 0 {
			out.noteDefault(r, plain)
			continue
		}
		if r.action == out.policy.Default {
			out.noteDefault(r, plain)
			continue
		}
		rule := Rule{Action: r.action}
		for _, name := range r.names {
			switch first := plain[name]; {
			case !KnownSyscall(name):
			case first == nil:
				rule.Syscalls = append(rule.Syscalls, name)
			case first.action != r.action:
				out.note(r, name, "%s, which tests nothing, goes over it", first.path)
			}
		}
		for _, args := range r.alternatives() {
			rule.Args = args
			out.add(rule, r)
		}
	}
}

func (out *resolved) add(rule Rule, from *profileRule) {
	if len(rule.Syscalls) > 0 {
		out.policy.Rules = append(out.policy.Rules, rule)
		out.from = append(out.from, from)
	}
}

func (out *resolved) note(r *profileRule, name, format string, args ...any) {
	out.notes = append(out.notes, fmt.Sprintf("%s: the rule does nothing for %s: %s", r.path, name, fmt.Sprintf(format, args...)))
}

// noteDefault notes that a rule with the default action does not keep another from applying.
func (out *resolved) noteDefault(r *profileRule, plain map[string]*profileRule) {
	if r.action != out.policy.Default {
		return
	}
	for _, name := range r.names {
		if first := plain[name]; first != nil {
			out.note(r, name, "its action is the default, which %s goes over", first.path)
		}
	}
}

// alternatives returns the lists of tests one of which must hold.
func (r *profileRule) alternatives() [][]Arg {
	seen := map[int]bool{}
	for _, a := range r.args {
		if seen[a.Index] {
			var each [][]Arg
			for _, a := range r.args {
				each = append(each, []Arg{a})
			}
			return each
		}
		seen[a.Index] = true
	}
	return [][]Arg{r.args}
}

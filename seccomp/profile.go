// Implements the reader of profiles: the JSON of container runtimes.

package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/skepbpf/skep/internal/strictjson"
)

// Profile is a seccomp profile as container runtimes read it: the "seccomp" object of the OCI runtime specification
// (config-linux.md), with what Docker and Podman add: archMap, defaultErrno, and for each rule name, errno, comment,
// includes and excludes. What it comes to depends on where it is used; see Policy.
type Profile struct {
	reader *strictjson.Reader
	root   string // path of the object in the document

	def           Action
	architectures []Arch
	archMap       []archMapping
	flags         Flags
	listenerPath  string
	rules         []profileRule
}

type archMapping struct {
	arch Arch
	sub  []Arch
}

// profileRule is an element of "syscalls".
type profileRule struct {
	path               string
	names              []string
	nameAt             string // path of names, or of name
	action             Action
	args               []Arg
	includes, excludes condition
}

// condition is what "includes" and "excludes" ask of the place where a profile is used.
type condition struct {
	arches []Arch
	caps   []string
	kernel kernelVersion
}

// kernelVersion is a release, such as 5.11; zero is none.
type kernelVersion [2]int

// ProfileError says where and why a profile is wrong.
type ProfileError struct {
	Line, Column int    // from 1; columns count bytes
	Path         string // where in the document, such as "syscalls[3].args[0].op"; empty for the document itself
	Text         string // what is wrong and what was expected
}

func (e *ProfileError) Error() string { return (*strictjson.Error)(e).Error() }

// profileError gives errors of the reader their public form.
func profileError(err error) error {
	var e *strictjson.Error
	if errors.As(err, &e) {
		return (*ProfileError)(e)
	}
	return err
}

// IsProfile reports whether data looks like a profile, or a configuration with one in it: a JSON object with one of
// the fields of such.
func IsProfile(data []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return false
	}
	for _, name := range []string{"defaultAction", "syscalls", "ociVersion", "linux"} {
		if _, ok := fields[name]; ok {
			return true
		}
	}
	return false
}

// ParseProfile reads a profile, or a container's whole configuration (config.json) with a profile in linux.seccomp.
// It is strict: field names are case-sensitive, and unknown, repeated and missing fields, unknown actions,
// architectures, comparisons, capabilities and flags, and tests that no argument passes are errors. The error is a
// *ProfileError. Names of system calls are checked when it is known which matter, by Policy.
func ParseProfile(data []byte) (*Profile, error) {
	r, err := strictjson.New(data)
	if err != nil {
		return nil, profileError(err)
	}
	p := &Profile{reader: r}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) == nil && fields["defaultAction"] == nil && (fields["ociVersion"] != nil || fields["linux"] != nil) {
		p.root = "linux.seccomp"
		found := false
		seccomp := func(path string) error { found = true; return p.read(path) }
		err = r.OpenObject(strictjson.Fields{"linux": r.OpenObject(strictjson.Fields{"seccomp": seccomp})})("")
		if err == nil && !found {
			err = r.Fail("linux.seccomp", "the container's configuration has no seccomp profile")
		}
	} else {
		err = p.read("")
	}
	if err != nil {
		return nil, profileError(err)
	}
	return p, nil
}

// place returns the path of a field of the profile.
func (p *Profile) place(field string) string { return strictjson.Join(p.root, field) }

// read reads the profile itself.
func (p *Profile) read(path string) error {
	r := p.reader
	var errno, errnoName *uint16
	var metadata string
	err := r.Object(strictjson.Fields{
		"defaultAction":    r.Parsed(func(s string) (err error) { p.def, err = parseOCIAction(s); return err }),
		"defaultErrnoRet":  r.Optional(number(r, &errno)),
		"defaultErrno":     r.Optional(errorName(r, &errnoName)),
		"architectures":    r.Optional(strictjson.List(r, &p.architectures, p.arch)),
		"archMap":          r.Optional(strictjson.List(r, &p.archMap, p.archMapping)),
		"flags":            r.Optional(strictjson.List(r, new([]Flags), p.flag)),
		"listenerPath":     r.Optional(r.Text(&p.listenerPath)),
		"listenerMetadata": r.Optional(r.Text(&metadata)),
		"syscalls":         r.Optional(strictjson.List(r, &p.rules, p.rule)),
	}, "defaultAction")(path)
	if err != nil {
		return err
	}
	if len(p.architectures) > 0 && len(p.archMap) > 0 {
		return r.Fail(p.place("archMap"), "a profile has either architectures or an archMap, this one has both")
	}
	p.def, err = withErrno(r, path, "default", p.def, errno, errnoName)
	return err
}

func (p *Profile) arch(path string) (a Arch, err error) {
	err = p.reader.Parsed(func(s string) error {
		if !strings.HasPrefix(s, "SCMP_ARCH_") {
			return fmt.Errorf("unknown architecture %q, expected a name like SCMP_ARCH_X86_64", s)
		}
		if s == "SCMP_ARCH_NATIVE" {
			a = Native()
			return nil
		}
		a, err = ParseArch(s)
		return err
	})(path)
	return a, err
}

func (p *Profile) archMapping(path string) (m archMapping, err error) {
	r := p.reader
	err = r.Object(strictjson.Fields{
		"architecture":     func(path string) (err error) { m.arch, err = p.arch(path); return err },
		"subArchitectures": r.Optional(strictjson.List(r, &m.sub, p.arch)),
	}, "architecture")(path)
	return m, err
}

func (p *Profile) flag(path string) (f Flags, err error) {
	err = p.reader.Parsed(func(s string) error {
		f, err = parseFlag(s)
		p.flags |= f
		return err
	})(path)
	return f, err
}

func (p *Profile) rule(path string) (rule profileRule, err error) {
	r := p.reader
	rule.path = path
	var errno, errnoName *uint16
	var name, comment string
	err = r.Object(strictjson.Fields{
		"names":    r.Optional(strictjson.List(r, &rule.names, p.name)),
		"name":     r.Optional(r.Text(&name)),
		"action":   r.Parsed(func(s string) (err error) { rule.action, err = parseOCIAction(s); return err }),
		"errnoRet": r.Optional(number(r, &errno)),
		"errno":    r.Optional(errorName(r, &errnoName)),
		"args":     r.Optional(strictjson.List(r, &rule.args, p.test)),
		"comment":  r.Optional(r.Text(&comment)),
		"includes": r.Optional(p.condition(&rule.includes)),
		"excludes": r.Optional(p.condition(&rule.excludes)),
	}, "action")(path)
	if err != nil {
		return rule, err
	}
	rule.nameAt = path + ".names[%d]"
	switch {
	case name != "" && len(rule.names) > 0:
		return rule, r.Fail(path+".name", "a rule has either name or names, this one has both")
	case name == "" && len(rule.names) == 0:
		return rule, r.Fail(path, "the rule names no system call")
	case name != "":
		rule.names, rule.nameAt = []string{name}, path+".name"
	}
	rule.action, err = withErrno(r, path, "", rule.action, errno, errnoName)
	return rule, err
}

func (p *Profile) name(path string) (s string, err error) {
	err = p.reader.Text(&s)(path)
	return s, err
}

// test reads an element of "args".
func (p *Profile) test(path string) (a Arg, err error) {
	r := p.reader
	var two uint64
	err = r.Object(strictjson.Fields{
		"index":    strictjson.Number(r, &a.Index, math.MaxInt32),
		"value":    strictjson.Number(r, &a.Value, math.MaxUint64),
		"valueTwo": r.Optional(strictjson.Number(r, &two, math.MaxUint64)),
		"op":       r.Parsed(func(s string) (err error) { a.Op, err = parseOp(s); return err }),
	}, "index", "value", "op")(path)
	if err != nil {
		return a, err
	}
	if a.Op == MaskedEqual {
		a.Mask, a.Value = a.Value, two
	}
	if wrong := a.wrong(); wrong != "" {
		return a, r.Fail(path, "%s", wrong)
	}
	return a, nil
}

// parseOp reads a comparison, as the runtime specification names it.
func parseOp(s string) (Op, error) {
	var names []string
	for i, n := range opNames {
		if s == "SCMP_CMP_"+n.oci {
			return Op(i), nil
		}
		names = append(names, "SCMP_CMP_"+n.oci)
	}
	return 0, fmt.Errorf("unknown comparison %q, expected one of %s", s, strings.Join(names, ", "))
}

func (p *Profile) condition(to *condition) strictjson.Value {
	r := p.reader
	arch := func(path string) (a Arch, err error) {
		err = r.Parsed(func(s string) error { a, err = ParseArch(s); return err })(path)
		return a, err
	}
	capability := func(path string) (s string, err error) {
		err = r.Parsed(func(name string) error { s = name; return CheckCapability(name) })(path)
		return s, err
	}
	return r.Object(strictjson.Fields{
		"arches":    r.Optional(strictjson.List(r, &to.arches, arch)),
		"caps":      r.Optional(strictjson.List(r, &to.caps, capability)),
		"minKernel": r.Optional(r.Parsed(func(s string) (err error) { to.kernel, err = parseKernel(s); return err })),
	})
}

// parseKernel reads the first two numbers of a release: "5.11", "6.1.0-18-amd64". Nothing is no release.
func parseKernel(s string) (v kernelVersion, err error) {
	if s == "" {
		return v, nil
	}
	parts := strings.SplitN(s, ".", 3)
	if len(parts) > 1 {
		digits := len(parts[1]) - len(strings.TrimLeft(parts[1], "0123456789"))
		v[0], err = strconv.Atoi(parts[0])
		if err == nil {
			v[1], err = strconv.Atoi(parts[1][:digits])
		}
	}
	if len(parts) < 2 || err != nil || v[0] < 0 {
		return v, fmt.Errorf("expected a kernel's version such as 4.8, found %q", s)
	}
	return v, nil
}

// number reads an error number, or another action's data.
func number(r *strictjson.Reader, to **uint16) strictjson.Value {
	return func(path string) error {
		*to = new(uint16)
		return strictjson.Number(r, *to, math.MaxUint16)(path)
	}
}

// errorName reads the name of an error. Nothing is none.
func errorName(r *strictjson.Reader, to **uint16) strictjson.Value {
	return r.Parsed(func(s string) error {
		n, ok := ErrnoNumber(s)
		if s == "" {
			return nil
		}
		if !ok {
			return fmt.Errorf("unknown error %q, expected a name like EPERM", s)
		}
		*to = &n
		return nil
	})
}

// withErrno completes an action with its number, given by itself or as an error's name; the number goes first. prefix
// is that of the fields.
func withErrno(r *strictjson.Reader, path, prefix string, a Action, errno, name *uint16) (Action, error) {
	field := func(s string) string {
		if prefix != "" {
			s = prefix + strings.ToUpper(s[:1]) + s[1:]
		}
		return strictjson.Join(path, s)
	}
	at := field("errnoRet")
	if errno == nil {
		errno, at = name, field("errno")
	}
	switch kind := a.Kind(); {
	case errno == nil:
		return a, nil
	case kind == ErrnoAction && *errno > MaxErrno:
		return a, r.Fail(at, "error numbers go up to %d, found %d", MaxErrno, *errno)
	case kind == ErrnoAction || kind == TraceAction:
		return kind | Action(*errno), nil
	case *errno == 0 || kind == TrapAction:
		return kind | Action(*errno), nil
	}
	return a, r.Fail(at, "the action %s takes no number, only errno, trap and trace do", a)
}

// parseOCIAction reads an action's name. Errno and trace come with EPERM, unless a number follows.
func parseOCIAction(s string) (Action, error) {
	if !strings.HasPrefix(s, "SCMP_ACT_") {
		s = "SCMP_ACT_?" + s
	}
	a, err := parseKind(s)
	if err != nil {
		return 0, errors.New(strings.Replace(err.Error(), "SCMP_ACT_?", "", 1))
	}
	if a == ErrnoAction || a == TraceAction {
		a |= 1
	}
	return a, nil
}

// capabilityNames lists the capabilities of linux/capability.h.
var capabilityNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT
SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE
AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF
CHECKPOINT_RESTORE`)

// CheckCapability reports whether a name is not one of a capability, such as CAP_SYS_ADMIN.
func CheckCapability(name string) error {
	if short, ok := strings.CutPrefix(name, "CAP_"); ok && slices.Contains(capabilityNames, short) {
		return nil
	}
	return fmt.Errorf("unknown capability %q, expected a name like CAP_SYS_ADMIN", name)
}

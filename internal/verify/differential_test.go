// Implements the comparison with the verdicts of the kernel that the tests run on.

//go:build linux

package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// TestDifferential compares verdicts on generated programs and mutations of accepted ones. SKEP_VERIFY=N asks for N
// programs, SKEP_SEED for others, SKEP_TYPE and SKEP_PATTERN for those of one type or pattern.
func TestDifferential(t *testing.T) {
	campaign(t, false, 1600)
}

// TestDifferentialStrict compares verdicts on programs that must not let addresses become visible: the kernel gets them
// from a thread that may load programs, but not look at the kernel's memory.
func TestDifferentialStrict(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if err := dropCaps(unix.CAP_PERFMON, unix.CAP_SYS_ADMIN); err != nil {
		t.Skip(err)
	}
	campaign(t, true, 400)
}

// dropCaps takes capabilities from the current thread.
func dropCaps(caps ...uint) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return err
	}
	for _, c := range caps {
		data[c/32].Effective &^= 1 << (c % 32)
	}
	return unix.Capset(&hdr, &data[0])
}

// number returns a number from the environment, or what it is by default.
func fromEnv(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// campaign compares verdicts on n programs.
func campaign(t *testing.T, strict bool, n int) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	if testing.Short() {
		n /= 4
	}
	n = int(fromEnv("SKEP_VERIFY", uint64(n)))
	rng := rand.New(rand.NewPCG(fromEnv("SKEP_SEED", 1), 7))
	c := &comparison{strict: strict, types: map[string]*counts{}, patterns: map[string]*counts{}, classes: map[string]int{}, maps: &kernel.MapCache{}}
	defer c.maps.Close()
	types, shown := loadable(t), 0
	for c.all.programs < n {
		o := genOptions{typ: types[rng.IntN(len(types))], pattern: &patterns[rng.IntN(len(patterns))], size: 2 + rng.IntN(16), strict: strict}
		if s := os.Getenv("SKEP_TYPE"); s != "" {
			o.typ, _ = spec.ParseProgramType(s)
		}
		if s := os.Getenv("SKEP_PATTERN"); s != "" {
			o.pattern = &patterns[slices.IndexFunc(patterns, func(p pattern) bool { return p.name == s })]
		}
		p, all := generate(rng, o)
		if c.all.programs/10_000 != shown {
			shown = c.all.programs / 10_000
			t.Logf("\n%s", c.table("", map[string]*counts{"so far": &c.all}))
		}
		good := c.compare(t, p, all, o.pattern.name)
		for range 3 {
			q := *p
			q.Insns = slices.Clone(p.Insns)
			mutate(rng, &q)
			if good || rng.IntN(8) == 0 {
				if c.compare(t, &q, all, o.pattern.name) {
					p, good = &q, true
				}
			}
		}
	}
	t.Logf("\n%s%s%s", c.table("pattern", c.patterns), c.table("program type", c.types), c.table("", map[string]*counts{"all": &c.all}))
	for _, class := range slices.Sorted(maps.Keys(c.classes)) {
		t.Logf("%4d %s", c.classes[class], class)
	}
}

// loadable returns the program types that this kernel knows.
func loadable(t *testing.T) (out []spec.ProgramType) {
	for _, typ := range genTypes {
		row := progtype.Find(typ)
		p := &spec.Program{Name: "least", Type: typ, License: "GPL"}
		if all := attachTypes(row); len(all) > 0 {
			p.AttachType = uint32(all[0])
		}
		r, _ := row.Range(spec.AttachType(p.AttachType))
		p.Insns = []isa.Instruction{isa.Mov64Imm.Make(0, 0, 0, r.Max), isa.Exit.Make(0, 0, 0, 0)}
		k, err := kernel.Load(p, nil, nil)
		if err != nil {
			t.Logf("%s: %v", typ, err)
			continue
		}
		k.Close()
		out = append(out, typ)
	}
	return out
}

// counts are verdicts on programs of some kind.
type counts struct{ programs, accepted, refused, falseAccepts, falseRejects, unsupported, intended int }

// comparison is a comparison under way.
type comparison struct {
	all      counts
	types    map[string]*counts
	patterns map[string]*counts
	strict   bool
	classes  map[string]int
	maps     *kernel.MapCache
	shown    int
}

func (c *comparison) table(title string, rows map[string]*counts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-24s %9s %9s %9s %7s %7s %7s %7s\n", title, "generated", "accepted", "refused", "false+", "false-", "unsupp.", "listed")
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		r := rows[name]
		fmt.Fprintf(&b, "%-24s %9d %9d %9d %7d %7d %7d %7d\n", name, r.programs, r.accepted, r.refused, r.falseAccepts, r.falseRejects, r.unsupported, r.intended)
	}
	return b.String()
}

// count adds to the figures of a program's pattern and type.
func (c *comparison) count(pattern, typ string, add func(*counts)) {
	add(&c.all)
	for name, m := range map[string]map[string]*counts{pattern: c.patterns, typ: c.types} {
		if m[name] == nil {
			m[name] = &counts{}
		}
		add(m[name])
	}
}

// judge returns our verdict and the kernel's. Errors of the kernel that are no verdict are fatal.
func (c *comparison) judge(t *testing.T, p *spec.Program, maps []spec.Map) (refused *kernel.VerifierError, ours error) {
	start := time.Now()
	defer func() {
		if d := time.Since(start); d > time.Second {
			c.classes["slow: "+p.Type.String()+" "+d.String()]++
		}
	}()
	d, err := ir.Decode(resolve(p), ir.Options{})
	if err != nil {
		ours = err
	} else {
		_, ours = Verify(d, &Options{Type: progtype.Find(p.Type), Maps: maps, Helper: testHelper, Strict: c.strict})
	}
	k, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID, Keep: c.maps})
	if err == nil {
		k.Close()
		return nil, ours
	}
	if !errors.As(err, &refused) {
		t.Fatalf("%v\n%v", err, p.Insns)
	}
	return refused, ours
}

// explain asks the kernel for its reason.
func (c *comparison) explain(p *spec.Program, maps []spec.Map) string {
	_, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID, Keep: c.maps, Log: true})
	if err == nil {
		return "accepted"
	}
	var refused *kernel.VerifierError
	if !errors.As(err, &refused) {
		return err.Error()
	}
	reason, at := refused.Reason()
	return fmt.Sprintf("%v: %s at %s", refused.Err, reason, at)
}

// listed reports whether a difference is one of those that docs/verifier.md lists.
func (c *comparison) listed(ours error, why string) bool {
	switch {
	case decodeOnly(ours):
		return true
	case ours != nil:
		return false
	case strings.Contains(why, "verifier bug"), strings.Contains(why, "program is too large"), strings.Contains(why, "too complex"):
		return true // no verdict; what the kernel gives up on may take fewer steps here
	case c.strict:
		// The kernel also walks through what a processor may do ahead of a decision.
		return slices.ContainsFunc([]string{"combined stack size", "infinite loop", "state: "}, func(s string) bool { return strings.Contains(why, s) })
	}
	return false
}

// decodeOnly reports whether a program was refused for instructions that are not well formed: the kernel looks at those
// only that a path leads to. This difference is intended.
func decodeOnly(err error) bool {
	var e *ir.Error
	return errors.As(err, &e)
}

// compare compares the verdicts on a program, and reports whether both accept it.
func (c *comparison) compare(t *testing.T, p *spec.Program, maps []spec.Map, pattern string) bool {
	refused, ours := c.judge(t, p, maps)
	note := func(add func(n *counts)) {
		c.count(pattern, p.Type.String(), func(n *counts) { n.programs++; add(n) })
	}
	var un *Unsupported
	switch {
	case errors.As(ours, &un):
		note(func(n *counts) { n.unsupported++ })
		c.classes["unsupported: "+un.Text]++
	case ours == nil && refused == nil:
		note(func(n *counts) { n.accepted++ })
		return true
	case ours != nil && refused != nil:
		note(func(n *counts) { n.refused++ })
		var e *Error
		if os.Getenv("SKEP_WHY") != "" && errors.As(ours, &e) {
			c.classes["refused: "+e.Code.String()+" "+withoutDigits(e.Text)]++
		}
	default:
		what, add, why := "FALSE REJECT", func(n *counts) { n.falseRejects++ }, ""
		if ours == nil {
			what, add = "FALSE ACCEPT", func(n *counts) { n.falseAccepts++ }
			why = c.explain(p, maps)
		} else {
			why = ours.Error()
		}
		if c.listed(ours, why) {
			note(func(n *counts) { n.intended++ })
			break
		}
		note(add)
		c.report(t, p, maps, what, why)
	}
	return false
}

func withoutDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, s)
}

// report writes the program of a disagreement to a file, for the first of each sort.
func (c *comparison) report(t *testing.T, p *spec.Program, maps []spec.Map, what, why string) {
	key := what + ": " + withoutDigits(why)
	if i := strings.Index(why, "state: "); i >= 0 {
		key = what + ": loop"
	}
	if c.classes[key]++; c.classes[key] > 1 || c.shown >= 40 {
		return
	}
	c.shown++
	text, _ := json.Marshal(&spec.Collection{Programs: []spec.Program{*p}, Maps: maps})
	name := filepath.Join(os.TempDir(), fmt.Sprintf("skep-case-%d-%d.json", os.Getpid(), c.shown))
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Errorf("%s: %s: %s", name, what, why)
}

// Implements the comparison with the verdicts of the kernel that the tests run on.

//go:build linux

package verify

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// judge returns our verdict and the kernel's. Errors of the kernel that are no verdict are fatal.
func judge(t *testing.T, p *spec.Program, maps []spec.Map, strict bool) (refused *kernel.VerifierError, ours error) {
	d, err := ir.Decode(resolve(p), ir.Options{})
	if err != nil {
		ours = err
	} else {
		_, ours = Verify(d, &Options{Type: progtype.Find(p.Type), Maps: maps, Helper: testHelper, Strict: strict})
	}
	k, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID})
	if err == nil {
		k.Close()
		return nil, ours
	}
	if !errors.As(err, &refused) {
		t.Fatalf("%v\n%v", err, p.Insns)
	}
	return refused, ours
}

func explainKernel(p *spec.Program, maps []spec.Map) string {
	_, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID, Log: true})
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

// TestDifferential compares verdicts on generated programs and mutations of accepted ones. SKEP_VERIFY=N asks for
// N programs of each type.
func TestDifferential(t *testing.T) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	n := 20
	if s := os.Getenv("SKEP_VERIFY"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	seed := uint64(1)
	if s := os.Getenv("SKEP_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	for _, typ := range genTypes {
		if s := os.Getenv("SKEP_TYPE"); s != "" && s != typ.String() {
			continue
		}
		t.Run(typ.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, uint64(typ)))
			c := &counts{classes: map[string]int{}}
			for range n {
				p, maps := generate(rng, typ, 3+rng.IntN(20))
				c.compare(t, p, maps)
				for range 2 {
					q := *p
					q.Insns = append(q.Insns[:0:0], p.Insns...)
					mutate(rng, &q)
					c.compare(t, &q, maps)
				}
			}
			t.Log(c)
			for class, n := range c.classes {
				t.Logf("%4d %s", n, class)
			}
		})
	}
}

// decodeOnly reports whether a program was refused for instructions that are not well formed: the kernel looks at those
// only that a path leads to. This difference is intended.
func decodeOnly(err error) bool {
	var e *ir.Error
	return errors.As(err, &e)
}

// TestDifferentialStrict compares verdicts on programs that must not let addresses become visible: the kernel gets them
// from a thread that may load programs, but not look at the kernel's memory.
func TestDifferentialStrict(t *testing.T) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	n := 20
	if s := os.Getenv("SKEP_VERIFY"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	for _, typ := range []spec.ProgramType{spec.SocketFilter, spec.SchedCLS, spec.XDP, spec.CGroupSKB} {
		t.Run(typ.String(), func(t *testing.T) {
			runtime.LockOSThread() // never unlocked: the thread ends with the test
			if err := dropCaps(unix.CAP_PERFMON, unix.CAP_SYS_ADMIN); err != nil {
				t.Skip(err)
			}
			rng := rand.New(rand.NewPCG(9, uint64(typ)))
			c := &counts{classes: map[string]int{}, strict: true}
			for range n {
				p, maps := generate(rng, typ, 3+rng.IntN(12))
				c.compare(t, p, maps)
				mutate(rng, p)
				c.compare(t, p, maps)
			}
			t.Log(c)
			for class, n := range c.classes {
				t.Logf("%4d %s", n, class)
			}
		})
	}
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

type counts struct {
	programs, accepted, refused, falseAccepts, falseRejects, unsupported, intended int
	strict                                                                         bool
	classes                                                                        map[string]int
}

func (c *counts) String() string {
	return fmt.Sprintf("%d programs, %d accepted by both, %d refused by both, %d false accepts, %d false rejects, %d unsupported, %d refused by decoding alone", c.programs, c.accepted, c.refused, c.falseAccepts, c.falseRejects, c.unsupported, c.intended)
}

var shown int

var atInsn = regexp.MustCompile(`^(\d+): `)

// where compares the instructions at which both refused a program.
func (c *counts) where(t *testing.T, p *spec.Program, maps []spec.Map, ours error) {
	if os.Getenv("SKEP_WHERE") == "" {
		return
	}
	var e *Error
	if !errors.As(ours, &e) {
		c.classes["decode"]++
		return
	}
	c.classes["code "+e.Code.String()]++
	_, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID, Log: true})
	var refused *kernel.VerifierError
	if !errors.As(err, &refused) {
		return
	}
	reason, at := refused.Reason()
	if m := atInsn.FindStringSubmatch(at); m == nil || m[1] != strconv.Itoa(int(e.Slot)) {
		c.note(t, p, maps, "ELSEWHERE", fmt.Sprintf("%v; kernel %s: %s", ours, at, reason))
	}
}

func (c *counts) compare(t *testing.T, p *spec.Program, maps []spec.Map) {
	refused, ours := judge(t, p, maps, c.strict)
	c.programs++
	var un *Unsupported
	switch {
	case errors.As(ours, &un):
		c.unsupported++
		c.classes["unsupported: "+un.Text]++
	case ours == nil && refused == nil:
		c.accepted++
	case ours != nil && refused != nil:
		c.refused++
		c.where(t, p, maps, ours)
	case ours == nil:
		c.falseAccepts++
		why := explainKernel(p, maps)
		if strings.Contains(why, "verifier bug") || c.strict && (strings.Contains(why, "too large") || strings.Contains(why, "too complex")) {
			// The kernel also walks through what a processor may do ahead of a decision, if addresses are at stake.
			c.falseAccepts-- // no verdict
			c.intended++
			return
		}
		c.note(t, p, maps, "FALSE ACCEPT", why)
	case decodeOnly(ours):
		c.intended++
	default:
		c.falseRejects++
		c.note(t, p, maps, "FALSE REJECT", ours.Error())
	}
}

func (c *counts) note(t *testing.T, p *spec.Program, maps []spec.Map, what, why string) {
	key := what + ": " + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, why)
	if c.classes[key]++; c.classes[key] == 1 && shown < 12 {
		shown++
		text, _ := json.Marshal(&spec.Collection{Programs: []spec.Program{*p}, Maps: maps})
		name := filepath.Join(os.TempDir(), fmt.Sprintf("skep-case-%d-%d.json", os.Getpid(), shown))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: %s: %s", name, what, why)
	}
}

// caseFiles are the files of cases.
var caseFiles = []string{"testdata/errors.bpf", "testdata/accepted.bpf", "testdata/differential.bpf", "testdata/history.bpf"}

// TestCasesInKernel checks that the kernel judges the cases as their files say. With SKEP_UPDATE it writes what the
// kernel says into the files.
func TestCasesInKernel(t *testing.T) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	for _, file := range caseFiles {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, c := range readCases(t, file) {
			if c.strict || c.profile != isa.ProfileLinux {
				continue
			}
			p := c.program(t)
			says := "accepted"
			k, err := kernel.Load(p, caseMaps, &kernel.Options{HelperID: helper.ID, Log: true})
			var refused *kernel.VerifierError
			switch {
			case err == nil:
				k.Close()
			case errors.As(err, &refused):
				says, _ = refused.Reason()
				if says == "" {
					says = refused.Err.Error()
				}
			default:
				t.Logf("%s: %v", c.name, err)
				continue
			}
			if (err == nil) != (c.code == "") {
				t.Errorf("%s: the kernel says: %s", c.name, says)
			}
			if os.Getenv("SKEP_UPDATE") != "" && c.kernel == "" {
				text = strings.Replace(text, c.text, "; kernel: "+says+"\n"+c.text, 1)
			}
		}
		if os.Getenv("SKEP_UPDATE") != "" {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Implements the tests of cases: programs with the expected error as a comment at the line.

package verify

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

var taskType = &btf.Struct{Name: "task_struct"}

var caseMaps = append([]spec.Map{{Name: "local", Type: spec.CGroupStorage, KeySize: 16, ValueSize: 8}, {Name: "kept", Type: spec.Array, KeySize: 4, ValueSize: 32, MaxEntries: 1, Fields: []spec.MapField{
	{Kind: spec.Kptr, Offset: 0, Type: taskType}, {Kind: spec.KptrUntrusted, Offset: 16, Type: taskType}}}, {Name: "wronly", Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: mapWriteOnlyProg}}, genMaps...)

// testCase is a program with what is expected of it.
type testCase struct {
	name, text string
	typ        spec.ProgramType
	attach     uint32
	to         string // what it is attached to
	flags      spec.ProgramFlags
	license    string
	strict     bool
	profile    isa.Profile
	line       int    // of the error, from 1; 0: the program is accepted
	code       string // of the error
	kernel     string // what the kernel says; "" where it was not asked
}

var hostTypes = sync.OnceValues(btf.LoadKernelSpec)

// testKernel returns the types of the running kernel.
func testKernel() []*btf.Spec {
	if k, err := hostTypes(); err == nil {
		return []*btf.Spec{k}
	}
	return nil
}

// readCases reads a file of cases.
func readCases(t *testing.T, file string) []testCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []testCase
	for _, part := range strings.Split("\n"+string(data), "\n=== ")[1:] {
		head, text, _ := strings.Cut(part, "\n")
		c := testCase{text: text}
		var name []string
		for _, word := range strings.Fields(head) {
			typ, err := spec.ParseProgramType(word)
			switch {
			case err == nil:
				c.typ = typ
			case word == "strict":
				c.strict = true
			case word == "profile=2014":
				c.profile = isa.Profile2014
			case strings.HasPrefix(word, "to="):
				c.to = word[3:]
			case strings.HasPrefix(word, "license="):
				c.license = word[8:]
			case word == "sleepable":
				c.flags |= spec.Sleepable
			case strings.HasPrefix(word, "attach="):
				fmt.Sscanf(word, "attach=%d", &c.attach)
			default:
				name = append(name, word)
			}
		}
		c.name = strings.Join(name, " ")
		for n, line := range strings.Split(text, "\n") {
			if _, code, ok := strings.Cut(line, "; error "); ok {
				c.line, c.code = n+1, strings.TrimSpace(code)
			}
			if k, ok := strings.CutPrefix(line, "; kernel: "); ok {
				c.kernel = k
			}
		}
		out = append(out, c)
	}
	return out
}

var inBraces = regexp.MustCompile(`\{([a-z_0-9]+)\.([a-z_0-9.]+)\}`)

// placed returns a text with the offset that a field has in the running kernel in the place of {structure.field}, and
// with the number that a structure's type has in that of {structure.id}.
func placed(t *testing.T, text string) string {
	t.Helper()
	return inBraces.ReplaceAllStringFunc(text, func(s string) string {
		m := inBraces.FindStringSubmatch(s)
		var st *btf.Struct
		k := testKernel()
		if len(k) == 0 || k[0].TypeByName(m[1], &st) != nil {
			t.Skipf("the kernel's types do not tell of struct %s", m[1])
		}
		if m[2] == "id" {
			id, _ := k[0].TypeID(st)
			return fmt.Sprint(id)
		}
		at := int64(0)
		var in btf.Type = st
		for _, name := range strings.Split(m[2], ".") {
			off, typ, ok := findField(in, name)
			if !ok {
				t.Fatalf("struct %s has no field %s", m[1], m[2])
			}
			at, in = at+off, typ
		}
		return fmt.Sprint(at)
	})
}

// findField finds a field of a structure, looking into what has no name.
func findField(t btf.Type, name string) (int64, btf.Type, bool) {
	fields, _, _, _ := members(btf.UnderlyingType(t))
	for _, m := range fields {
		if m.Name == name {
			return int64(m.Offset.Bytes()), m.Type, true
		}
		if m.Name == "" {
			if off, typ, ok := findField(m.Type, name); ok {
				return int64(m.Offset.Bytes()) + off, typ, true
			}
		}
	}
	return 0, nil, false
}

func (c *testCase) program(t *testing.T) *spec.Program {
	t.Helper()
	p, err := asm.Assemble(c.name, placed(t, c.text), &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	p.Name, p.Type, p.License, p.AttachType, p.AttachTo, p.Flags = "case", c.typ, "GPL", c.attach, c.to, c.flags
	if c.license != "" {
		p.License = c.license
	}
	return p
}

func (c *testCase) verify(t *testing.T, p *spec.Program) (*Result, error) {
	t.Helper()
	d, err := ir.Decode(resolve(p), ir.Options{Profile: c.profile})
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return Verify(d, &Options{Type: progtype.Find(c.typ), Maps: caseMaps, Helper: testHelper, Strict: c.strict, Profile: c.profile, Kernel: testKernel})
}

// TestErrors checks that each program is refused at the line that says so, with the class of error that it says, and
// that every class has a case.
func TestErrors(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range readCases(t, "testdata/errors.bpf") {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.verify(t, c.program(t))
			var e *Error
			switch {
			case c.to != "" && len(testKernel()) == 0:
				seen[c.code] = true
				t.Skip("the kernel's types are not at hand")
			case !errors.As(err, &e):
				t.Fatalf("got %v, want %s", err, c.code)
			case e.Code.String() != c.code:
				t.Errorf("got %s (%v), want %s", e.Code, err, c.code)
			case e.Line == nil || e.Line.Line != c.line && !strings.Contains(strings.Split(c.text, "\n")[c.line-1], ": ;"):
				t.Errorf("%v: at line %+v, want %d", err, e.Line, c.line)
			case e.Text == "" || e.Hint == "":
				t.Errorf("%v: no text or no hint", err)
			}
			seen[c.code] = true
		})
	}
	for code := range numCodes {
		if !seen[code.String()] {
			t.Errorf("no case has an error of class %s", code)
		}
	}
}

// TestAccepted checks that each program is accepted.
func TestAccepted(t *testing.T) {
	for _, c := range readCases(t, "testdata/accepted.bpf") {
		if _, err := c.verify(t, c.program(t)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestDisagreements checks the cases that were judged otherwise than by the kernel once.
func TestDisagreements(t *testing.T) { judgeCases(t, "testdata/differential.bpf") }

// TestObjectCases checks what programs do with the structures of the kernel.
func TestObjectCases(t *testing.T) {
	if len(testKernel()) == 0 {
		t.Skip("the kernel's types are not at hand")
	}
	judgeCases(t, "testdata/objects.bpf")
}

// TestHistory checks ways in which verifiers have been deceived.
func TestHistory(t *testing.T) { judgeCases(t, "testdata/history.bpf") }

// judgeCases checks that each program of a file is refused at the line that says so, or accepted.
func judgeCases(t *testing.T, file string) {
	for _, c := range readCases(t, file) {
		_, err := c.verify(t, c.program(t))
		var e *Error
		switch {
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.code != "" && (!errors.As(err, &e) || e.Code.String() != c.code || e.Line.Line != c.line):
			t.Errorf("%s: got %v, want %s at line %d", c.name, err, c.code, c.line)
		}
	}
}

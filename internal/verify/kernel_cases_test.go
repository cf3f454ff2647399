// Implements the check that the kernel judges the cases as their files say.

//go:build linux

package verify

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// caseFiles are the files of cases.
var caseFiles = []string{"testdata/errors.bpf", "testdata/accepted.bpf", "testdata/differential.bpf", "testdata/history.bpf", "testdata/objects.bpf"}

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
			if c.profile != isa.ProfileLinux {
				continue
			}
			p := c.program(t)
			says := "accepted"
			k, err := loadCase(p, c.strict)
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

// loadCase loads a program, strictly by a thread that may not look at the kernel's memory.
func loadCase(p *spec.Program, strict bool) (k *kernel.Program, err error) {
	done := make(chan bool)
	go func() {
		defer close(done)
		if strict {
			runtime.LockOSThread() // never unlocked: the thread ends with the function
			if err = dropCaps(unix.CAP_PERFMON, unix.CAP_SYS_ADMIN); err != nil {
				return
			}
		}
		k, err = kernel.Load(p, caseMaps, &kernel.Options{HelperID: helper.ID, Log: true})
	}()
	<-done
	return k, err
}

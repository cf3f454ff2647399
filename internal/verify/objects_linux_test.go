// Implements the comparison with the kernel on compiled programs.

package verify_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

var processed = regexp.MustCompile(`processed (\d+) insns`)
var verifyTime = regexp.MustCompile(`verification time (\d+) usec`)

// TestObjects compares verdicts, and the number of instructions walked through, on compiled programs. SKEP_OBJECTS
// names more files, as a pattern.
func TestObjects(t *testing.T) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	all := map[string][]byte{}
	for _, name := range objtest.Names() {
		all[name] = objtest.Object(t, name)
	}
	if !testing.Short() {
		maps.Copy(all, objtest.Debian(t))
	}
	if pattern := os.Getenv("SKEP_OBJECTS"); pattern != "" {
		clear(all)
		files, _ := filepath.Glob(pattern)
		for _, f := range files {
			all[f], _ = os.ReadFile(f)
		}
	}
	agree, more, programs, unsupported := 0, 0, 0, 0
	var ours, theirs time.Duration
	for name, data := range all {
		c, err := elf.Load(data, nil)
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		for i := range c.Programs {
			p := &c.Programs[i]
			n, took, kerr := inKernel(p, creatable(c.Maps))
			var refused *kernel.VerifierError
			if kerr != nil && !errors.As(kerr, &refused) {
				t.Logf("%s/%s: %v", name, p.Name, kerr)
				continue
			}
			if refused != nil && (refused.Log == "" || strings.Contains(refused.Log, "failed to find the address for kernel symbol")) {
				continue // it did not come to a verdict, or the kernel keeps no addresses of variables
			}
			if refused != nil {
				reason, _ := refused.Reason()
				t.Logf("%s/%s: the kernel refuses: %v %s", name, p.Name, refused.Err, reason)
			}
			programs++
			v, err := skep.Verify(p, c.Maps, nil)
			switch {
			case errors.Is(err, skep.ErrNotSupported):
				unsupported++
				t.Logf("%s/%s: %v", name, p.Name, err)
			case (err == nil) != (refused == nil):
				t.Errorf("%s/%s (%s, attach type %d): here %v; in the kernel %v", name, p.Name, p.Type, p.AttachType, err, refused)
			case err == nil && v.Processed > n:
				more++
				t.Logf("%s/%s: %d instructions walked through, the kernel %d", name, p.Name, v.Processed, n)
				fallthrough
			default:
				agree++
				ours += v.Time
				theirs += took
			}
		}
	}
	t.Logf("%d programs, %d agree, %d unsupported, %d with more instructions than the kernel; %v here, %v in the kernel", programs, agree, unsupported, more, ours, theirs)
}

// creatable returns maps that the kernel creates: loaders give some a size first, or contents.
func creatable(all []spec.Map) []spec.Map {
	out := slices.Clone(all)
	for i := range out {
		m := &out[i]
		switch m.Type {
		case spec.ProgArray, spec.ArrayOfMaps, spec.HashOfMaps:
			m.Contents = nil
		case spec.StackTrace:
			m.ValueSize = max(m.ValueSize, 8)
		}
		if m.MaxEntries == 0 && m.Flags&1 == 0 && m.Type != spec.StructOpsMap {
			m.MaxEntries = 1
			if m.Type == spec.RingBuf {
				m.MaxEntries = 4096
			}
		}
	}
	return out
}

// inKernel loads a program and returns how many instructions the verifier went through.
func inKernel(p *spec.Program, maps []spec.Map) (int, time.Duration, error) {
	k, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID, AlwaysLog: true, LogLevel: 4})
	log := ""
	var refused *kernel.VerifierError
	if err == nil {
		log = k.Log()
		k.Close()
	} else if errors.As(err, &refused) {
		log = refused.Log
		_, err = kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID, Log: true})
	}
	n, us := 0, 0
	if m := processed.FindStringSubmatch(log); m != nil {
		n, _ = strconv.Atoi(m[1])
	}
	if m := verifyTime.FindStringSubmatch(log); m != nil {
		us, _ = strconv.Atoi(m[1])
	}
	return n, time.Duration(us) * time.Microsecond, err
}

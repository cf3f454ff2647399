// Implements the table of the verifier: how long it takes for the programs of object files, beside the kernel's.

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/spec"
)

// verifyRounds is the most turns of the verifiers.
const verifyRounds = 20

var (
	verifyTime  = regexp.MustCompile(`verification time (\d+) usec`)
	verifyInsns = regexp.MustCompile(`processed (\d+) insns`)
)

// verified is what the programs of an object took, all together.
type verified struct {
	programs            int
	insns, theirInsns   float64 // walked through
	ours, theirs, noise float64 // microseconds, and the noise of ours
}

// verifyTable measures the verifier.
func verifyTable(rounds int, sel *selection) error {
	if !sel.wants("verify", "verify") {
		return nil
	}
	if err := kernel.Available(); err != nil {
		fmt.Printf("\nverify: no kernel to compare with: %v\n", err)
		return nil
	}
	names, objects, err := verifyObjects()
	if err != nil {
		return err
	}
	t := newTable("verify: microseconds for the programs of an object, and nanoseconds for each instruction that is walked through. Only programs that both\n"+
		"accept count. The kernel's time is its own (\"verification time\"), which has whole microseconds a program and covers its rewriting\n"+
		"of the program, and machine code for those with functions; Skep's covers decoding, and what compilers are told.",
		"object", []column{{"programs", "%.0f", false}, {"insns", "%.0f", false}, {"kernel's", "%.0f", false}, {"Skep", "%.1f", true}, {"kernel", "%.1f", true}, {"ns/insn", "%.0f", true}, {"kernel's", "%.0f", true}}, []ratio{{3, 4}})
	var all []verified
	for _, name := range names {
		v, err := verifyObject(objects[name], min(rounds, verifyRounds))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if v.programs == 0 {
			continue
		}
		all = append(all, v)
		t.row(name, []float64{float64(v.programs), v.insns, v.theirInsns, v.ours, v.theirs, 1000 * v.ours / v.insns, 1000 * v.theirs / v.theirInsns}, v.noise)
	}
	if err := t.end(); err != nil || len(all) == 0 {
		return err
	}
	faster, cheap := 0, 0
	var sum verified
	var ratios []float64
	for _, v := range all {
		if v.ours <= v.theirs {
			faster++
		}
		if v.ours/v.insns <= 0.25 {
			cheap++
		}
		ratios = append(ratios, v.ours/v.theirs)
		sum.insns, sum.theirInsns, sum.ours, sum.theirs = sum.insns+v.insns, sum.theirInsns+v.theirInsns, sum.ours+v.ours, sum.theirs+v.theirs
	}
	slices.Sort(ratios)
	fmt.Printf("\nat most the kernel's time on %d of %d objects; median ratio %.2f, 95th percentile %.2f; all together %.0f us and the kernel %.0f;\n"+
		"at most 0.25 us an instruction on %d; all together %.0f ns an instruction and the kernel %.0f\n",
		faster, len(all), ratios[len(ratios)/2], ratios[len(ratios)*95/100], sum.ours, sum.theirs, cheap, 1000*sum.ours/sum.insns, 1000*sum.theirs/sum.theirInsns)
	return nil
}

// verifyObjects reads the objects of the project, and those that Debian's ir-keytable and libbpf-tools bring, where they are installed.
func verifyObjects() (names []string, objects map[string][]byte, err error) {
	objects = map[string][]byte{}
	for _, pattern := range []string{"../internal/objtest/testdata/*.o", "../helper/testdata/*.o", "../examples/*/*.o", "/lib/udev/rc_keymaps/protocols/*.o"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, nil, err
		}
		for _, f := range files {
			data, err := os.ReadFile(f)
			if err != nil {
				return nil, nil, err
			}
			objects[filepath.Base(f)] = data
		}
	}
	list, err := os.ReadFile("/var/lib/dpkg/info/libbpf-tools.list")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, err
	}
	for _, f := range strings.Fields(string(list)) {
		info, err := os.Stat(f)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			return nil, nil, err
		}
		for n, o := range embedded(data) {
			objects[fmt.Sprintf("%s#%d", filepath.Base(f), n)] = o
		}
	}
	for name := range objects {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, objects, nil
}

// embedded returns the BPF objects inside an executable: they begin like any ELF file, and end with the table of sections.
func embedded(data []byte) (out [][]byte) {
	const machineBPF = 247
	for at := 1; ; at++ {
		next := bytes.Index(data[min(at, len(data)):], []byte("\x7fELF\x02\x01\x01"))
		if next < 0 {
			return out
		}
		at += next
		object := data[at:]
		if len(object) < 64 || binary.LittleEndian.Uint16(object[18:]) != machineBPF {
			continue
		}
		end := binary.LittleEndian.Uint64(object[40:]) + uint64(binary.LittleEndian.Uint16(object[58:]))*uint64(binary.LittleEndian.Uint16(object[60:]))
		if end <= uint64(len(object)) {
			out = append(out, object[:end])
		}
	}
}

// verifyObject measures the programs of an object that both accept.
func verifyObject(data []byte, rounds int) (out verified, err error) {
	c, err := elf.Load(data, nil)
	if err != nil {
		return out, nil // it is for another kernel
	}
	for i := range c.Programs {
		p := &c.Programs[i]
		n, _, err := kernelVerifies(p, c.Maps)
		if err != nil {
			continue
		}
		v, err := skep.Verify(p, c.Maps, nil)
		if err != nil {
			continue
		}
		least, noise, err := race(rounds, []lap{
			func() (float64, error) {
				// The least of some, as the kernel's is short of everything else that a process does meanwhile.
				best := math.MaxFloat64
				for range 5 {
					v, err := skep.Verify(p, c.Maps, nil)
					if err != nil {
						return 0, err
					}
					best = min(best, float64(v.Time.Nanoseconds())/1000)
				}
				return best, nil
			},
			func() (float64, error) {
				_, took, err := kernelVerifies(p, c.Maps)
				return float64(took.Microseconds()), err
			}})
		if err != nil {
			return out, err
		}
		out.programs++
		out.insns, out.theirInsns = out.insns+float64(v.Processed), out.theirInsns+float64(n)
		out.ours, out.theirs, out.noise = out.ours+least[0], out.theirs+least[1], max(out.noise, noise[0])
	}
	return out, nil
}

// kernelVerifies loads a program into the kernel and returns how many instructions that has walked through, and how long it took by its own clock.
func kernelVerifies(p *spec.Program, maps []spec.Map) (insns int, took time.Duration, err error) {
	k, err := kernel.Load(p, maps, &kernel.Options{HelperID: helper.ID, AlwaysLog: true, LogLevel: 4})
	if err != nil {
		return 0, 0, err
	}
	defer k.Close()
	us := 0
	for _, f := range []struct {
		form *regexp.Regexp
		to   *int
	}{{verifyInsns, &insns}, {verifyTime, &us}} {
		m := f.form.FindStringSubmatch(k.Log())
		if m == nil {
			return 0, 0, fmt.Errorf("the kernel's log has no %v", f.form)
		}
		if *f.to, err = strconv.Atoi(m[1]); err != nil {
			return 0, 0, err
		}
	}
	return insns, time.Duration(us) * time.Microsecond, nil
}

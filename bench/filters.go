// Implements the table of packet filters: classic programs on the packets of the example capture.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/internal/capture"
	"github.com/skepbpf/skep/internal/kernel"
)

// packets reads the example capture.
func packets() ([][]byte, error) {
	f, err := os.Open("../examples/traffic.pcap")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, bytes.Clone(rec.Packet.Data))
	}
}

func filters(rounds int, only string) error {
	files, err := filepath.Glob("../classic/testdata/filters/*.bpf")
	if err != nil {
		return err
	}
	pkts, err := packets()
	if err != nil {
		return err
	}
	fmt.Println()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "filter, ns a packet\tinsns\tinterpreter\tdrop-in VM\tJIT\tx/net/bpf\tkernel JIT\t")
	var insts, vms, jits, xnets geomean
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".bpf")
		if only != "" && name != only {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		raw, err := classic.Assemble(file, string(text))
		if err != nil {
			return err
		}
		insns, _ := bpf.Disassemble(raw)
		theirs, err := bpf.NewVM(insns)
		if err != nil {
			return err
		}
		ours, err := filter.NewVM(insns)
		if err != nil {
			return err
		}
		f, err := filter.New(raw, &skep.Options{Engine: skep.EngineInterp})
		if err != nil {
			return err
		}
		compiled, err := filter.New(raw, &skep.Options{Engine: skep.EngineJIT})
		if err != nil {
			return err
		}
		inst, fast := f.Program().NewInstance(), compiled.Program().NewInstance()
		executed := uint64(0)
		for _, p := range pkts {
			want, _ := theirs.Run(p)
			got, _ := ours.Run(p)
			r0, err := inst.Run(p)
			executed += inst.Insns()
			r1, err1 := fast.Run(p)
			if err != nil || err1 != nil || got != want || int(uint32(r0)) != want || r1 != r0 {
				return fmt.Errorf("%s: verdicts %d, %d (%v), %d (%v), x/net/bpf %d", name, got, r0, err, r1, err1, want)
			}
		}
		var a, b, c, d best
		for range rounds {
			a.measure(func() {
				for _, p := range pkts {
					inst.Run(p)
				}
			})
			b.measure(func() {
				for _, p := range pkts {
					ours.Run(p)
				}
			})
			d.measure(func() {
				for _, p := range pkts {
					fast.Run(p)
				}
			})
			c.measure(func() {
				for _, p := range pkts {
					theirs.Run(p)
				}
			})
		}
		n := float64(len(pkts))
		k, err := kernelFilter(raw, pkts)
		if err != nil {
			return err
		}
		insts.add(a.ns / n)
		vms.add(b.ns / n)
		xnets.add(c.ns / n)
		jits.add(d.ns / n)
		fmt.Fprintf(out, "%s\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%s\t\n", name, float64(executed)/n, a.ns/n, b.ns/n, d.ns/n, c.ns/n, k)
	}
	fmt.Fprintf(out, "geometric mean\t\t%s\t%s\t%s\t%s\t\t\n", &insts, &vms, &jits, &xnets)
	return out.Flush()
}

// kernelFilter returns the kernel's time a packet for the translated filter, as it measures itself, the time
// of an empty program taken off.
func kernelFilter(raw []bpf.RawInstruction, pkts [][]byte) (string, error) {
	if kernel.Available() != nil {
		return "-", nil
	}
	t, err := classic.Translate(raw)
	if err != nil {
		return "", err
	}
	empty, err := classic.Translate([]bpf.RawInstruction{{Op: 6}})
	if err != nil {
		return "", err
	}
	var times [2]float64
	for n, tr := range []*classic.Translation{t, empty} {
		p, err := kernel.Load(tr.Program, nil, nil)
		if err != nil {
			return "refused", nil
		}
		for i := 0; i < len(pkts); i += 7 {
			least := 1e9
			for range 5 {
				r, err := p.RunPacket(pkts[i], 20000)
				if err != nil {
					return "", err
				}
				least = min(least, float64(r.Duration))
			}
			times[n] += least
		}
		p.Close()
	}
	count := float64((len(pkts) + 6) / 7)
	return fmt.Sprintf("%.1f", (times[0]-times[1])/count), nil
}

// Implements the table of packet filters: classic programs on the packets of the example capture.

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench/cpeer"
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

// packetFilter is a classic program and the packets it judges.
type packetFilter struct {
	name    string
	raw     []bpf.RawInstruction
	insns   []bpf.Instruction
	packets [][]byte
}

func readFilter(file string, packets [][]byte) (*packetFilter, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	raw, err := classic.Assemble(file, string(text))
	if err != nil {
		return nil, err
	}
	insns, _ := bpf.Disassemble(raw)
	return &packetFilter{filterName(file), raw, insns, packets}, nil
}

func filterName(file string) string { return strings.TrimSuffix(filepath.Base(file), ".bpf") }

// The columns of the table, and the engines in this order after the count of instructions.
const (
	colFilterInsns = iota
	colFilterInterp
	colFilterJIT
	colFilterBatch
	colFilterXNet
	colFilterPcap
	colFilterKernel
	colFilterGo
)

func filters(rounds int, sel *selection) error {
	files, err := filepath.Glob("../classic/testdata/filters/*.bpf")
	if err != nil {
		return err
	}
	pkts, err := packets()
	if err != nil {
		return err
	}
	executed := 0.0 // instructions a packet, by the interpreter
	c := contest[*packetFilter]{rounds: rounds, engines: []engine[*packetFilter]{
		{"interp", skepFilter(skep.EngineInterp, &executed)},
		{"JIT", skepFilter(skep.EngineJIT, nil)},
		{"batch", batchFilter},
		{"x/net", xnetFilter},
		{"libpcap", pcapFilter},
		{"kernel", kernelFilter},
		{"Go", handFilter},
	}}
	var t *table
	for _, file := range files {
		if !sel.wants("filters", filterName(file)) {
			continue
		}
		f, err := readFilter(file, pkts)
		if err != nil {
			return err
		}
		least, noise, err := c.run(f.name, f)
		if err != nil {
			return err
		}
		if t == nil {
			columns := []column{{"insns", "%.1f", false}}
			for _, e := range c.engines {
				columns = append(columns, column{e.name, "%.1f", true})
			}
			t = newTable(fmt.Sprintf("filters: nanoseconds a packet, %d packets; one call a packet from Go, save for batch (all packets in one call of\n"+
				"Instance.RunBatch), libpcap (a loop in C) and the kernel (its own figure, less that of an empty program). Go is\n"+
				"written by hand. insns are those that the interpreter executes a packet.", len(pkts)), "filter", columns, []ratio{
				{colFilterJIT, colFilterXNet}, {colFilterJIT, colFilterGo}, {colFilterBatch, colFilterPcap}, {colFilterBatch, colFilterKernel}})
		}
		t.row(f.name, append([]float64{executed}, least...), noise)
	}
	if t == nil {
		return nil
	}
	if err := t.end(); err != nil {
		return err
	}
	c.missing()
	return nil
}

// judge is a contender that judges packet after packet.
func (f *packetFilter) judge(verdict func(packet []byte) (uint32, error)) *contender {
	return &contender{
		result: func() (verdicts []byte, err error) {
			for i, p := range f.packets {
				v, err := verdict(p)
				if err != nil {
					return nil, fmt.Errorf("packet %d: %w", i, err)
				}
				verdicts = binary.LittleEndian.AppendUint32(verdicts, v)
			}
			return verdicts, nil
		},
	}
}

// flatten returns verdicts as a contender's result.
func flatten(verdicts []uint32) (result []byte) {
	for _, v := range verdicts {
		result = binary.LittleEndian.AppendUint32(result, v)
	}
	return result
}

// laps gives the contender its laps: run judges all packets n times.
func (f *packetFilter) laps(c *contender, run func(n int)) *contender {
	l, count := batches(run), float64(len(f.packets))
	c.lap = func() (float64, error) {
		ns, err := l()
		return ns / count, err
	}
	return c
}

func skepFilter(e skep.Engine, executed *float64) func(*packetFilter) (*contender, error) {
	return func(f *packetFilter) (*contender, error) {
		loaded, err := filter.New(f.raw, &skep.Options{Engine: e})
		if err != nil {
			return nil, err
		}
		inst, insns := loaded.Program().NewInstance(), uint64(0)
		c := f.judge(func(p []byte) (uint32, error) {
			r0, err := inst.Run(p)
			insns += inst.Insns()
			if executed != nil {
				*executed = float64(insns) / float64(len(f.packets))
			}
			return uint32(r0), err
		})
		return f.laps(c, func(n int) {
			for range n {
				for _, p := range f.packets {
					inst.Run(p)
				}
			}
		}), nil
	}
}

// batchFilter judges all packets in one call.
func batchFilter(f *packetFilter) (*contender, error) {
	loaded, err := filter.New(f.raw, &skep.Options{Engine: skep.EngineJIT})
	if err != nil {
		return nil, err
	}
	inst, verdicts := loaded.Program().NewInstance(), make([]uint32, len(f.packets))
	c := &contender{result: func() ([]byte, error) {
		_, err := inst.RunBatch(f.packets, verdicts)
		return flatten(verdicts), err
	}}
	return f.laps(c, func(n int) {
		for range n {
			inst.RunBatch(f.packets, verdicts)
		}
	}), nil
}

func xnetFilter(f *packetFilter) (*contender, error) {
	vm, err := bpf.NewVM(f.insns)
	if err != nil {
		return nil, err
	}
	c := f.judge(func(p []byte) (uint32, error) {
		v, err := vm.Run(p)
		return uint32(v), err
	})
	return f.laps(c, func(n int) {
		for range n {
			for _, p := range f.packets {
				vm.Run(p)
			}
		}
	}), nil
}

func pcapFilter(f *packetFilter) (*contender, error) {
	run, err := cpeer.Filter(f.raw, f.packets)
	if err != nil {
		return nil, err
	}
	c := &contender{result: func() ([]byte, error) { return flatten(run(1)), nil }}
	return f.laps(c, func(n int) { run(n) }), nil
}

func handFilter(f *packetFilter) (*contender, error) {
	match := byHand[f.name]
	if match == nil {
		return nil, errors.New("not written by hand")
	}
	c := f.judge(func(p []byte) (uint32, error) { return match(p), nil })
	return f.laps(c, func(n int) {
		for range n {
			for _, p := range f.packets {
				match(p)
			}
		}
	}), nil
}

// kernelRepeat is how often the kernel runs a filter on a packet in one go, to take the mean.
const kernelRepeat = 1000

// kernelFilter has the kernel run the translated filter on every seventh packet, by its own clock. For each
// packet the least of all laps counts. That clock counts whole nanoseconds; no filter is taken to be quicker
// than one.
func kernelFilter(f *packetFilter) (*contender, error) {
	if err := kernel.Available(); err != nil {
		return nil, err
	}
	prog, err := loadKernelFilter(f.raw)
	if err != nil {
		return nil, err
	}
	empty, err := loadKernelFilter([]bpf.RawInstruction{{Op: 6}}) // ret #0
	if err != nil {
		prog.Close()
		return nil, err
	}
	c := f.judge(func(p []byte) (uint32, error) {
		r, err := prog.RunPacket(p, 1)
		return r.Retval, err
	})
	c.close = func() { prog.Close(); empty.Close() }
	var sampled [][]byte
	for i := 0; i < len(f.packets); i += 7 {
		sampled = append(sampled, f.packets[i])
	}
	full, base := make([]time.Duration, len(sampled)), make([]time.Duration, len(sampled))
	c.lap = func() (float64, error) {
		sum := time.Duration(0)
		for i, p := range sampled {
			if err := leastRun(prog, p, &full[i]); err != nil {
				return 0, err
			}
			if err := leastRun(empty, p, &base[i]); err != nil {
				return 0, err
			}
			sum += full[i] - base[i]
		}
		return max(1, float64(sum)/float64(len(sampled))), nil
	}
	return c, nil
}

// leastRun runs a program on a packet and lowers least to the time of a run.
func leastRun(prog *kernel.Program, packet []byte, least *time.Duration) error {
	r, err := prog.RunPacket(packet, kernelRepeat)
	if *least == 0 || r.Duration < *least {
		*least = r.Duration
	}
	return err
}

func loadKernelFilter(raw []bpf.RawInstruction) (*kernel.Program, error) {
	t, err := classic.Translate(raw)
	if err != nil {
		return nil, err
	}
	return kernel.Load(t.Program, nil, nil)
}

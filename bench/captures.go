// Implements the table of captures: a large file in the page cache, filtered to nothing and to another file.

package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/pcap"
)

// captureRun is a row of the table: a capture that is filtered.
type captureRun struct {
	file, expr string
	out        string // file that the matches are written to; "": nowhere
	copies     int64  // bytes that the plain copy writes
	raw        []bpf.RawInstruction
}

// filtering filters once and returns how many packets match, or -1 if it cannot say without more work.
type filtering func(r *captureRun) (matched int, err error)

// captureRounds is the most turns of a runtime in this table, since each takes up to a second.
const captureRounds = 10

func captures(rounds int, sel *selection) error {
	if !sel.wants("captures", "captures") {
		return nil
	}
	dir, err := os.MkdirTemp("", "skep-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file, out := filepath.Join(dir, "in.pcap"), filepath.Join(dir, "out.pcap")
	packets, err := writeCapture(file)
	if err != nil {
		return err
	}
	c := contest[*captureRun]{rounds: min(rounds, captureRounds), engines: []engine[*captureRun]{
		{"Skep", captureEngine(skepCommand(dir))},
		{"plain", plainCopy},
		{"tcpdump", captureEngine(tcpdumpCommand)},
		{"libpcap", captureEngine(pcapLoop)},
		{"x/net", captureEngine(xnetScan)},
		{"gopacket", captureEngine(gopacketLoop)},
	}}
	columns := []column{}
	for _, e := range c.engines {
		columns = append(columns, column{e.name, "%.2f", false})
	}
	t := newTable(fmt.Sprintf("captures: GB/s through a pcap file of %.2f GB in the page cache, %d Ethernet packets, Skep's command and tcpdump with the\n"+
		"start of the process. Plain reads the file and writes as many bytes, by 1 MiB. libpcap is a loop over its reader, filter\n"+
		"and writer in C; x/net is the VM of x/net/bpf on Skep's reader; gopacket is its reader and writer with that VM.",
		captureSize/1e9, packets), "expression", columns, []ratio{{0, 2}})
	for _, r := range []*captureRun{
		{file: file, expr: "udp port 9999"},
		{file: file, expr: "tcp port 443"},
		{file: file, expr: "tcp port 443", out: out},
		{file: file, expr: "tcp", out: out},
	} {
		p, err := pcap.Compile(r.expr, nil)
		if err != nil {
			return err
		}
		r.raw = p.Raw()
		name := r.expr + ", to nothing"
		if r.out != "" {
			name = r.expr + ", to a file"
		}
		least, noise, err := c.run(name, r)
		if err != nil {
			return err
		}
		for i := range least {
			least[i] = captureSize / least[i] // bytes a nanosecond
		}
		t.row(name, least, noise)
	}
	if err := t.end(); err != nil {
		return err
	}
	c.missing()
	return nil
}

// captureEngine is an engine by a filtering that it makes ready, if it is there.
func captureEngine(load func() (filtering, error)) func(*captureRun) (*contender, error) {
	return func(r *captureRun) (*contender, error) {
		run, err := load()
		if err != nil {
			return nil, err
		}
		return &contender{
			result: func() ([]byte, error) {
				named := *r
				if named.out == "" {
					named.out = filepath.Join(filepath.Dir(r.file), "check.pcap")
				}
				os.Remove(named.out)
				said, err := run(&named)
				if err != nil {
					return nil, err
				}
				matched, size, err := countPackets(named.out)
				if err == nil && said >= 0 && said != matched {
					err = fmt.Errorf("%d packets match, it says, and %d are in the file", said, matched)
				}
				if r.out != "" {
					r.copies = size
				} else {
					os.Remove(named.out)
				}
				return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, uint64(matched)), uint64(size)), err
			},
			lap: func() (float64, error) {
				return timed(r, func() error { _, err := run(r); return err })
			},
		}, nil
	}
}

// timed times one run. The file that the run before has written is gone before the clock starts: to replace it
// takes time of its own, and ext4 writes such files to the disk at once.
func timed(r *captureRun, run func() error) (float64, error) {
	if r.out != "" {
		if err := os.Remove(r.out); err != nil && !os.IsNotExist(err) {
			return math.NaN(), err
		}
	}
	start := time.Now()
	err := run()
	return float64(time.Since(start)), err
}

// Implements filter on a capture: which packets match, and what is done with them.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/internal/capture"
	"github.com/skepbpf/skep/pcap"
)

// filterRun is a run of filter over a capture.
type filterRun struct {
	flags   *filterFlags
	expr    string
	out     *bufio.Writer
	writer  *capture.Writer
	filters map[uint16]*filter.Filter // by link type
	matched uint64
}

func (f *filterFlags) packets(cmd *cobra.Command, expr string) error {
	in, err := open(cmd, f.read)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := capture.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(f.read), err)
	}
	run := &filterRun{flags: f, expr: expr, out: bufio.NewWriter(cmd.OutOrStdout()), filters: map[uint16]*filter.Filter{}}
	var file io.WriteCloser
	if _, err := run.filter(r.LinkType()); err != nil {
		return err // before a file is made for nothing
	}
	if f.write != "" {
		if file, err = create(cmd, f.write); err != nil {
			return err
		}
		run.writer = capture.NewWriter(file, r.Nanoseconds())
	}
	err = run.all(r, newProgress(cmd.ErrOrStderr(), in))
	if file != nil {
		err = errors.Join(err, run.writer.Flush(r.LinkType()), file.Close())
	}
	return errors.Join(run.end(), err, run.out.Flush(), run.none(err))
}

// none is the answer no if nothing matched and nothing went wrong.
func (run *filterRun) none(err error) error {
	if run.matched > 0 || err != nil {
		return nil
	}
	return no(errors.New("no packet matched"))
}

// end prints what is known at the end.
func (run *filterRun) end() error {
	switch {
	case run.flags.json && (run.flags.count || run.flags.write != ""):
		return jsonLine(run.out, filterCount{run.matched})
	case run.flags.count:
		_, err := fmt.Fprintln(run.out, run.matched)
		return err
	}
	return nil
}

// filterCount is the number of matches as JSON.
type filterCount struct {
	Matched uint64 `json:"matched"`
}

// filter returns the filter for a link type.
func (run *filterRun) filter(link uint16) (*filter.Filter, error) {
	if f := run.filters[link]; f != nil {
		return f, nil
	}
	as := pcap.LinkType(link)
	if run.flags.link != "" {
		var err error
		if as, err = pcap.ParseLinkType(run.flags.link); err != nil {
			return nil, usageError{err}
		}
	}
	p, err := run.flags.compile(run.expr, as, pcap.SourceFile)
	if err != nil {
		return nil, err
	}
	f, err := filter.New(p.Raw(), nil)
	if err == nil {
		run.filters[link] = f
	}
	return f, err
}

// all goes through the capture.
func (run *filterRun) all(r *capture.Reader, p *progress) error {
	defer p.done()
	for run.flags.max == 0 || run.matched < run.flags.max {
		rec, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shown(run.flags.read), err)
		}
		f, err := run.filter(rec.LinkType)
		if err != nil {
			return err
		}
		if n := f.VerdictPacket(&rec.Packet); n > 0 {
			run.matched++
			if err := run.match(rec, int(min(n, uint32(len(rec.Packet.Data))))); err != nil {
				return err
			}
		}
		p.step(r.Consumed())
	}
	return nil
}

// match does what is to be done with a packet that matches, of which n bytes are kept.
func (run *filterRun) match(rec *capture.Record, n int) error {
	switch {
	case run.writer != nil:
		if err := run.writer.WriteCut(rec, n); err != nil {
			return fmt.Errorf("%s: %w", run.flags.write, err)
		}
	case run.flags.count:
	case run.flags.json:
		return jsonLine(run.out, filterMatch{run.matched, rec.Time, rec.Packet.Len(), n, summary(rec)})
	default:
		at := "-"
		if !rec.Time.IsZero() {
			at = rec.Time.UTC().Format("2006-01-02 15:04:05.000000")
		}
		_, err := fmt.Fprintf(run.out, "%s %s\n", at, summary(rec))
		return err
	}
	return nil
}

// filterMatch is a packet that matches as JSON.
type filterMatch struct {
	Match   uint64    `json:"match"` // from 1
	Time    time.Time `json:"time,omitzero"`
	Length  int       `json:"length"`
	Kept    int       `json:"kept"`
	Summary string    `json:"summary"`
}

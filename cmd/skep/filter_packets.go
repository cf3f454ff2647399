// Implements filter on a capture: which packets match, and what is done with them.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
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
	copier  *capture.Copier           // for -w, which keeps records as they are
	writer  *capture.Writer           // for -w with -s, which cuts them
	filters map[uint16]*filter.Filter // by link type; nil where the expression is not to be had
	mixed   bool                      // the capture may have several link types
	without []refusal                 // the link types where it is not to be had
	notes   io.Writer
	matched uint64

	verdicts, lengths []uint32 // of a batch
}

// refusal is why an expression cannot be compiled for a link type.
type refusal struct {
	link pcap.LinkType
	err  error
}

func (f *filterFlags) packets(cmd *cobra.Command, expr string) error {
	in, err := open(cmd, f.read)
	if err != nil {
		return err
	}
	defer in.Close()
	s, err := capture.NewScanner(in)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(f.read), err)
	}
	run := &filterRun{flags: f, expr: expr, out: bufio.NewWriter(cmd.OutOrStdout()), filters: map[uint16]*filter.Filter{},
		mixed: s.Mixed() && f.link == "", notes: cmd.ErrOrStderr()}
	if run.mixed {
		err = f.compilesForAny(expr)
	} else {
		_, err = run.filter(s.LinkType())
	}
	if err != nil {
		return err // before a file is made for nothing
	}
	var file io.WriteCloser
	if f.write != "" {
		if err := notOnto(in, f.write); err != nil {
			return err
		}
		if file, err = create(cmd, f.write); err != nil {
			return err
		}
		if f.snap == 0 {
			run.copier = capture.NewCopier(file)
		} else {
			run.writer = capture.NewWriter(file, s.Nanoseconds())
		}
	}
	err = run.all(s, newProgress(cmd.ErrOrStderr(), in))
	if file != nil {
		e := run.flush(s.LinkType())
		if closed := file.Close(); e == nil {
			e = closed
		}
		if e = run.unwritten(e); e != nil && (err == nil || err.Error() != e.Error()) {
			err = errors.Join(err, e)
		}
	}
	err = errors.Join(err, run.refusals())
	return errors.Join(run.end(), err, run.out.Flush(), run.none(err))
}

// compilesForAny returns an error if the expression can be compiled for no link type, which then is that for Ethernet.
func (f *filterFlags) compilesForAny(expr string) error {
	_, err := f.compile(expr, pcap.LinkTypeEthernet, pcap.SourceFile)
	for link := pcap.LinkType(0); err != nil && link < maxLinkType; link++ {
		if _, other := pcap.Compile(expr, f.options(link, pcap.SourceFile)); other == nil {
			return nil
		}
	}
	return err
}

// maxLinkType is above all link types that package pcap knows.
const maxLinkType = 400

// refusals notes for which link types of the capture the expression is not to be had. If that is so for all, it is an
// error.
func (run *filterRun) refusals() error {
	if len(run.without) > 0 && len(run.without) == len(run.filters) {
		return run.without[0].err
	}
	for _, r := range run.without {
		why, _, _ := strings.Cut(r.err.Error(), "\n")
		fmt.Fprintf(run.notes, "skep: no packet of link type %s matches: %s\n", r.link, why)
	}
	return nil
}

// unwritten is an error about the file written to, or nil for nil.
func (run *filterRun) unwritten(err error) error {
	if err == nil {
		return nil
	}
	name := run.flags.write
	if name == "-" {
		name = "stdout"
	}
	return plainError(name, err)
}

func (run *filterRun) flush(link uint16) error {
	if run.copier != nil {
		return run.copier.Flush()
	}
	return run.writer.Flush(link)
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

// filter returns the filter for a link type, or nil if none of its packets match, for the expression asks for what they
// do not have: that is no error where there are packets of other link types.
func (run *filterRun) filter(link uint16) (*filter.Filter, error) {
	if f, ok := run.filters[link]; ok {
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
	switch {
	case err != nil && run.mixed:
		run.filters[link] = nil
		run.without = append(run.without, refusal{as, err})
		return nil, nil
	case err != nil:
		return nil, err
	}
	f, err := filter.New(p.Raw(), nil)
	if err == nil {
		run.filters[link] = f
	}
	return f, err
}

// all goes through the capture, a batch at a time.
func (run *filterRun) all(s *capture.Scanner, p *progress) error {
	defer p.done()
	for run.flags.max == 0 || run.matched < run.flags.max {
		b, err := s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shown(run.flags.read), err)
		}
		if err := run.judge(b, s.SnapLen()); err != nil {
			return err
		}
		if err := run.keep(b); err != nil {
			return err
		}
		p.steps(len(b.Packets), s.Consumed())
	}
	return nil
}

// judge works out the verdicts of a batch. Packets that are longer than a file's snap length count as cut there,
// as libpcap has it.
func (run *filterRun) judge(b *capture.Batch, snap uint32) error {
	run.verdicts = append(run.verdicts[:0], make([]uint32, len(b.Packets))...)
	if len(b.Packets) == 0 {
		return nil
	}
	f, err := run.filter(b.LinkType)
	if err != nil {
		return err
	}
	if snap > 0 && snap <= math.MaxInt32 {
		for i, p := range b.Packets {
			if len(p) > int(snap) {
				b.Packets[i] = p[:snap]
			}
		}
	}
	switch {
	case f == nil:
		return nil
	case f.BytesOnly():
		f.VerdictBatch(b.Packets, run.verdicts)
	case !f.Metadata():
		run.lengths = b.WireLens(run.lengths[:0])
		f.VerdictBatchCut(b.Packets, run.lengths, run.verdicts)
	default:
		for i := range b.Packets {
			p := b.Packet(i)
			run.verdicts[i] = f.VerdictPacket(&p)
		}
	}
	for i, v := range run.verdicts {
		switch {
		case v == 0:
		case run.flags.max > 0 && run.matched == run.flags.max:
			run.verdicts[i] = 0
		default:
			run.matched++
		}
	}
	return nil
}

// keep does what is to be done with the packets of a batch that match.
func (run *filterRun) keep(b *capture.Batch) error {
	switch {
	case run.copier != nil:
		if _, err := run.copier.Copy(b, run.verdicts); err != nil {
			return run.unwritten(err)
		}
		return nil
	case run.flags.count:
		return nil
	}
	first := run.matched
	for _, v := range run.verdicts {
		if v > 0 {
			first--
		}
	}
	for i, v := range run.verdicts {
		if v == 0 {
			continue
		}
		first++
		rec := &capture.Record{Packet: b.Packet(i), Time: b.Time(i), LinkType: b.LinkType, Offset: b.Offset(i)}
		if err := run.match(rec, first, int(min(v, uint32(len(rec.Packet.Data))))); err != nil {
			return err
		}
	}
	return nil
}

// match does what is to be done with the n-th packet that matches, of which so many bytes are kept.
func (run *filterRun) match(rec *capture.Record, n uint64, kept int) error {
	switch {
	case run.writer != nil:
		if err := run.writer.WriteCut(rec, kept); err != nil {
			return run.unwritten(err)
		}
		return nil
	case run.flags.json:
		return jsonLine(run.out, filterMatch{n, rec.Time, rec.Packet.Len(), kept, summary(rec)})
	}
	at := "-"
	if !rec.Time.IsZero() {
		at = rec.Time.UTC().Format("2006-01-02 15:04:05.000000")
	}
	_, err := fmt.Fprintf(run.out, "%s %s\n", at, summary(rec))
	return err
}

// filterMatch is a packet that matches as JSON.
type filterMatch struct {
	Match   uint64    `json:"match"` // from 1
	Time    time.Time `json:"time,omitzero"`
	Length  int       `json:"length"`
	Kept    int       `json:"kept"`
	Summary string    `json:"summary"`
}

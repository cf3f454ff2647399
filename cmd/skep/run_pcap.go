// Implements run on a capture: once a packet, with counts per verdict.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/internal/capture"
	"github.com/skepbpf/skep/spec"
)

// captureRun is a run over a capture.
type captureRun struct {
	flags *runFlags
	spec  *spec.Program
	eng   engine
	out   *bufio.Writer

	tally   tally
	elapsed time.Duration
	writer  *capture.Writer
}

// capture runs the program once for each packet of --pcap. What could be done before an error is reported
// along with it.
func (f *runFlags) capture(cmd *cobra.Command, p *spec.Program, e engine) error {
	in, err := open(cmd, f.pcap)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := capture.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(f.pcap), err)
	}
	run := &captureRun{flags: f, spec: p, eng: e, out: bufio.NewWriter(cmd.OutOrStdout())}
	if f.write == "-" {
		run.out = bufio.NewWriter(cmd.ErrOrStderr())
	}
	var file io.WriteCloser
	if f.write != "" {
		if file, err = create(cmd, f.write); err != nil {
			return err
		}
		run.writer = capture.NewWriter(file, r.Nanoseconds())
	}
	runErr := run.packets(r, newProgress(cmd.ErrOrStderr(), in))
	if run.tally.packets > 0 || runErr == nil {
		runErr = errors.Join(run.report(), runErr)
	}
	if file != nil {
		runErr = errors.Join(runErr, run.writer.Flush(r.LinkType()), file.Close())
	}
	return errors.Join(runErr, run.out.Flush())
}

// packets runs the program over all packets.
func (c *captureRun) packets(r *capture.Reader, p *progress) error {
	defer p.done()
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", shown(c.flags.pcap), err)
		}
		o, err := c.eng.run(job{packet: &rec.Packet, repeat: c.flags.repeat, keep: c.writer != nil})
		if err != nil {
			return no(fmt.Errorf("packet %d: %w", c.tally.packets+1, err))
		}
		v := verdictOf(c.spec.Type, o.r0)
		c.tally.add(v, len(rec.Packet.Data))
		c.elapsed += o.elapsed
		if c.flags.verbose {
			if err := c.packet(rec, v); err != nil {
				return err
			}
		}
		if c.writer != nil {
			data := o.data[o.meta:]
			if n, ok := keeps(c.spec.Type, v, len(data)); ok {
				if err := c.writer.Write(rec, data[:n]); err != nil {
					return fmt.Errorf("%s: %w", c.flags.write, err)
				}
			}
		}
		p.step(r.Consumed())
	}
}

// packet prints the verdict of one packet.
func (c *captureRun) packet(rec *capture.Record, v verdict) error {
	if c.flags.json {
		return jsonLine(c.out, packetReport{c.tally.packets, rec.Time, len(rec.Packet.Data), v.bits(), v.name})
	}
	_, err := fmt.Fprintf(c.out, "%d: %s\n", c.tally.packets, v)
	return err
}

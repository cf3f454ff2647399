// Implements filter -i: packets of a network interface, as they come.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/internal/capture"
	"github.com/skepbpf/skep/internal/live"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

// live captures from an interface until -c packets have come or the user interrupts. The kernel runs the filter.
func (f *filterFlags) live(cmd *cobra.Command, expr string) error {
	link, err := live.LinkTypeOf(f.iface, live.Options{})
	if err != nil {
		return err
	}
	p, err := f.compile(expr, pcap.LinkType(link), pcap.SourceSocket)
	if err != nil {
		return err
	}
	c, err := live.Open(f.iface, live.Options{SnapLen: int(f.snap), Promiscuous: !f.modest, Filter: p.Raw()})
	if err != nil {
		return err
	}
	defer c.Close()
	run := &filterRun{flags: f, expr: expr, out: bufio.NewWriter(cmd.OutOrStdout())}
	var file io.WriteCloser
	if f.write != "" {
		if file, err = create(cmd, f.write); err != nil {
			return err
		}
		run.writer = capture.NewWriter(file, true)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "listening on %s, link type %s\n", f.iface, pcap.LinkType(link))
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = run.listen(ctx, c)
	if stats, e := c.Stats(); e == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d packets, %d dropped by the kernel\n", run.matched, stats.Dropped)
	}
	if file != nil {
		err = errors.Join(err, run.writer.Flush(link), file.Close())
	}
	return errors.Join(run.end(), err, run.out.Flush(), run.none(err))
}

// listen takes packets until there are enough or ctx is done.
func (run *filterRun) listen(ctx context.Context, c *live.Capture) error {
	for {
		packets, infos, err := c.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		for i, data := range packets {
			rec := &capture.Record{Packet: spec.Packet{Data: data, WireLen: infos[i].WireLen},
				Time: time.Unix(0, infos[i].Time), LinkType: c.LinkType()}
			run.matched++
			if !run.flags.count {
				if err := run.match(rec, run.matched, len(data)); err != nil {
					return err
				}
			}
			if run.matched == run.flags.max {
				return nil
			}
		}
		if err := run.out.Flush(); err != nil {
			return err
		}
	}
}

// Implements the progress line of long work, for people at a terminal only.

package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Nothing is shown of work that takes less than quiet, and then only so often.
const (
	quiet    = 500 * time.Millisecond
	interval = 200 * time.Millisecond
)

// progress shows how far the reading of a capture is. Its zero value shows nothing.
type progress struct {
	w           io.Writer // nil: shows nothing
	total       int64     // bytes of the input, 0 if not known
	now         func() time.Time
	begun, next time.Time
	packets     uint64
	shown       bool
}

// newProgress returns a progress line for reading in, if w is a terminal.
func newProgress(w io.Writer, in any) *progress {
	if !isTerminal(w) {
		return &progress{}
	}
	var total int64
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			total = info.Size()
		}
	}
	return startProgress(w, total, time.Now)
}

func startProgress(w io.Writer, total int64, now func() time.Time) *progress {
	begun := now()
	return &progress{w: w, total: total, now: now, begun: begun, next: begun.Add(quiet)}
}

// step counts a packet; read is how many bytes of the input have been read.
func (p *progress) step(read int64) {
	p.packets++
	if p.packets%64 == 0 {
		p.show(read)
	}
}

// steps is step for many packets.
func (p *progress) steps(n int, read int64) {
	p.packets += uint64(n)
	p.show(read)
}

// show brings the line up to date, now and then.
func (p *progress) show(read int64) {
	if p.w == nil {
		return
	}
	now := p.now()
	if now.Before(p.next) {
		return
	}
	p.next, p.shown = now.Add(interval), true
	rate := float64(p.packets) / now.Sub(p.begun).Seconds()
	if p.total > 0 {
		fmt.Fprintf(p.w, "\r%3d%%  %d packets, %s packets/s \x1b[K", min(100, read*100/p.total), p.packets, large(rate))
	} else {
		fmt.Fprintf(p.w, "\r%d packets, %s packets/s \x1b[K", p.packets, large(rate))
	}
}

// done wipes the line.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

// large prints a number with three digits and a unit.
func large(n float64) string {
	for _, unit := range []string{"", " k", " M"} {
		if n < 1000 {
			return fmt.Sprintf("%.3g%s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.3g G", n)
}

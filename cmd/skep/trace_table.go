// Implements the tables of trace filter: histograms and counts, and keeping them up to date at a terminal.

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skepbpf/skep/event"
)

// liveTable shows a table again and again in its place, if it is at a terminal.
type liveTable struct {
	w     io.Writer // nil: it shows nothing
	text  func() string
	next  time.Time
	lines int // of what is shown
	calls int
}

func newLiveTable(w io.Writer, text func() string) *liveTable {
	if !isTerminal(w) {
		return &liveTable{}
	}
	return &liveTable{w: w, text: text, next: time.Now().Add(quiet)}
}

// show brings the table up to date, now and then.
func (t *liveTable) show() {
	if t.calls++; t.w == nil || t.calls%256 != 0 || time.Now().Before(t.next) {
		return
	}
	t.next = time.Now().Add(interval)
	text := t.text()
	t.wipe()
	t.lines = strings.Count(text, "\n")
	fmt.Fprint(t.w, text)
}

// wipe takes the table away.
func (t *liveTable) wipe() {
	if t.w != nil && t.lines > 0 {
		fmt.Fprintf(t.w, "\x1b[%dA\x1b[J", t.lines)
		t.lines = 0
	}
}

// maxRows is how many values a table shows, barWidth how long its longest bar is.
const (
	maxRows  = 40
	barWidth = 40
)

// table is the histogram or the counts as they are now.
func (r *traceRun) table() string {
	counts := r.counter.Counts()
	rest := uint64(0)
	names := make([]string, len(counts))
	for i, c := range counts {
		names[i] = c.Values[0]
	}
	if r.flags.hist != "" {
		slices.SortFunc(counts, func(a, b event.Count) int { return bucket(a) - bucket(b) })
		names = names[:0]
		for _, c := range counts {
			names = append(names, bucketName(bucket(c)))
		}
	} else if len(counts) > maxRows {
		for _, c := range counts[maxRows:] {
			rest += c.N
		}
		counts = counts[:maxRows]
	}
	most, width := uint64(1), 0
	for i, c := range counts {
		most, width = max(most, c.N), max(width, len([]rune(names[i])))
	}
	var b strings.Builder
	for i, c := range counts {
		fmt.Fprintf(&b, "%-*s %12d %s\n", width, names[i], c.N, strings.Repeat("#", int(c.N*barWidth/most)))
	}
	if rest > 0 {
		fmt.Fprintf(&b, "%-*s %12d\n", width, "others", rest)
	}
	if lost := r.counter.Lost(); lost > 0 {
		fmt.Fprintf(&b, "%-*s %12d\n", width, "beyond room", lost)
	}
	return b.String()
}

func bucket(c event.Count) int {
	n, _ := strconv.Atoi(c.Values[0])
	return n
}

// bucketName is the numbers that a bucket of a histogram is for.
func bucketName(n int) string {
	switch n {
	case 0:
		return "up to 0"
	case 1:
		return "1"
	case 64:
		return fmt.Sprintf("from %d", uint64(1)<<63)
	}
	return fmt.Sprintf("%d to %d", uint64(1)<<(n-1), uint64(1)<<n-1)
}

// Command bench measures Skep beside other runtimes, all in one run, and prints one table for each kind of
// program. It says which peers this machine does not have.
//
//	cd bench && go run . [-rounds N] [-only NAME]
//
// The runtimes take turns, round after round, and the least time of each counts: on a shared machine whole
// stretches come out slow. Every result is checked against the interpreter's before anything is timed.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 30, "how often each runtime gets its turn")
	only := flag.String("only", "", "run this program alone")
	flag.Parse()
	if err := compute(*rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	if err := filters(*rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// best calls f in batches of about a millisecond and returns the nanoseconds of one call in the quickest.
type best struct {
	n  int
	ns float64
}

func (b *best) measure(f func()) {
	if b.n == 0 {
		start := time.Now()
		f()
		b.n = max(1, int(time.Millisecond/max(1, time.Since(start))))
		b.ns = math.Inf(1)
	}
	start := time.Now()
	for range b.n {
		f()
	}
	b.ns = min(b.ns, float64(time.Since(start))/float64(b.n))
}

// geomean collects numbers for a geometric mean.
type geomean struct {
	sum float64
	n   int
}

func (g *geomean) add(v float64) { g.sum += math.Log(v); g.n++ }

func (g *geomean) String() string {
	if g.n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", math.Exp(g.sum/float64(g.n)))
}

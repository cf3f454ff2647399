// Command bench measures Skep beside other runtimes, all in one run, and prints one table for each kind of
// program: compute (C functions over memory), filters (classic filters on packets), captures (a file of 1 GB that is
// filtered), calls (the way in and out), maps, and verify (the verifier beside the kernel's); and one of schemes, the ways to keep a program inside its memory. Peers
// that this machine or this build does not have are named below the table that lacks them: some need cgo, and libpcap
// and tcpdump have to be installed.
//
//	cd bench && go run . [-rounds N] [-only NAME]
//
// The runtimes take turns, round after round, and the least time of each counts: on a shared machine whole
// stretches come out slow. Every result is checked against the interpreter's before anything is timed. The
// last column, noise, is for how much to believe a row: how far the median of the turns lies above the least,
// for the runtime that is worst at it.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	rounds := flag.Int("rounds", 30, "how often each runtime gets its turn")
	only := flag.String("only", "", "run this program, filter, call or table alone")
	flag.Parse()
	if err := run(*rounds, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(rounds int, only string) error {
	if rounds < 1 {
		return fmt.Errorf("-rounds %d: at least 1 is needed", rounds)
	}
	fmt.Println(machine())
	sel := &selection{only: only}
	for _, table := range []func(int, *selection) error{compute, filters, captures, calls, mapTable, predicates, verifyTable, schemes} {
		if err := table(rounds, sel); err != nil {
			return err
		}
	}
	if !sel.found {
		return fmt.Errorf("no program, filter, call or table is called %q", only)
	}
	return nil
}

// selection is what -only asks for.
type selection struct {
	only  string
	found bool
}

// wants reports whether the thing called name in a table is to be run.
func (s *selection) wants(table, name string) bool {
	yes := s.only == "" || s.only == table || s.only == name
	s.found = s.found || yes
	return yes
}

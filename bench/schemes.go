// Implements the table of sandbox schemes: what it costs to keep a program inside its memory, by the access and
// by the run.

//go:build linux && amd64

package main

import (
	"fmt"
	"math"
	"runtime/debug"
)

// schemeRows are the schemes, the one that checks nothing first.
var schemeRows = []scheme{
	{"no check", loadUnchecked, hostPlace, false},
	{"4 GiB region: base + low 32 bits", loadInRegion, regionPlace, false},
	{"granules: limits from a table", loadChecked, guestPlace(elsewhere), false},
	{"guess right, base of the data in memory", loadGuessed, guestPlace(theData), false},
	{"guess right, base in a register", loadGuessed, guestPlace(theData), true},
	{"guess wrong, granules then", loadGuessed, guestPlace(elsewhere), false},
}

// packetSizes are those of packets that are copied into the region.
var packetSizes = []int{64, 512, 1500, 9000}

func schemes(rounds int, sel *selection) error {
	if !sel.wants("schemes", "schemes") {
		return nil
	}
	// The laps: the sum and the chase of each scheme, the copies, a guarded run and one that is not.
	var laps []lap
	for i := range schemeRows {
		s := &schemeRows[i]
		for _, loop := range []loop{sumLoop, chaseLoop} {
			run, err := s.compile(loop)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			laps = append(laps, batches(run))
		}
	}
	for _, size := range packetSizes {
		run, err := copies(size)
		if err != nil {
			return err
		}
		laps = append(laps, batches(run))
	}
	laps = append(laps, batches(guarded), batches(unguarded))
	least, noise, err := race(rounds, laps)
	if err != nil {
		return err
	}
	t := newTable("schemes: nanoseconds by scheme of sandbox: of each 8-byte load of a sum over 4 KB, of each step of a chase of pointers\n"+
		"through them, and of what a run costs on top. The granule check and the guess are written by Skep's own encoder; Skep\n"+
		"guesses that an access is to the data where it knows nothing, and in loops has the data's base in a register if one is\n"+
		"free. A region cannot see an access beyond the end of the data inside the same page, and packets have to be copied in\n"+
		"(here from the cache); granules are exact to the byte and take packets where they are.",
		"scheme", []column{{"sum", "%.3f", false}, {"/ no check", "%.2f", false}, {"chase", "%.3f", false},
			{"/ no check", "%.2f", false}, {"a run", "%.1f", false}}, nil)
	nan := math.NaN()
	for i, s := range schemeRows {
		sum, chase := least[2*i], least[2*i+1]
		t.row(s.name, []float64{sum / words, sum / least[0], chase / steps, chase / least[1], nan}, max(noise[2*i], noise[2*i+1]))
	}
	least, noise = least[2*len(schemeRows):], noise[2*len(schemeRows):]
	for i, size := range packetSizes {
		t.row(fmt.Sprintf("region: %d-byte packet copied in", size), []float64{nan, nan, nan, nan, least[i]}, noise[i])
	}
	least, noise = least[len(packetSizes):], noise[len(packetSizes):]
	t.row("region: SetPanicOnFault, back, recover", []float64{nan, nan, nan, nan, least[0] - least[1]}, max(noise[0], noise[1]))
	return t.end()
}

// copies copies a packet into the region, behind the words.
func copies(size int) (func(n int), error) {
	part, err := region()
	if err != nil {
		return nil, err
	}
	packet := make([]byte, size)
	return func(n int) {
		for range n {
			copy(part[page:], packet)
		}
	}, nil
}

// guarded makes runs of nothing whose faults would become errors, unguarded such whose faults would not.
func guarded(n int) {
	for range n {
		guardedRun()
	}
}

func unguarded(n int) {
	for range n {
		unguardedRun()
	}
}

//go:noinline
func guardedRun() (fault any) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		fault = recover()
	}()
	sink = handThrough(sink)
	return nil
}

//go:noinline
func unguardedRun() (fault any) {
	sink = handThrough(sink)
	return nil
}

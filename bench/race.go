// Implements the timing: contenders take turns, and the least time of each counts.

package main

import (
	"math"
	"slices"
	"time"
)

// A lap is one turn of a contender. It returns the nanoseconds of one run.
type lap func() (float64, error)

// batches returns laps that call run, which is to do its work n times, for about a millisecond.
func batches(run func(n int)) lap {
	return ownClock(func(n int) time.Duration {
		start := time.Now()
		run(n)
		return time.Since(start)
	})
}

// ownClock is batches for a run that says itself what time counts.
func ownClock(run func(n int) time.Duration) lap {
	n := 0
	return func() (float64, error) {
		if n == 0 {
			n = batchSize(run)
		}
		return float64(run(n)) / float64(n), nil
	}
}

// batchSize doubles the size until the clock can be trusted: the first runs are the slowest.
func batchSize(run func(n int) time.Duration) int {
	for n := 1; ; n *= 2 {
		start := time.Now()
		run(n)
		if took := time.Since(start); took > time.Millisecond/4 {
			return max(1, int(float64(n)*float64(time.Millisecond)/float64(took)))
		}
	}
}

// race gives every contender its lap, round after round, and returns the least time of each, and its noise: by
// what fraction the median of the laps is above the least. A nil lap stands for a contender that is missing;
// its time is NaN.
func race(rounds int, laps []lap) (least, noise []float64, err error) {
	times := make([][]float64, len(laps))
	for range rounds {
		for i, l := range laps {
			if l == nil {
				continue
			}
			ns, err := l()
			if err != nil {
				return nil, nil, err
			}
			times[i] = append(times[i], ns)
		}
	}
	least, noise = make([]float64, len(laps)), make([]float64, len(laps))
	for i, t := range times {
		if t == nil {
			least[i] = math.NaN()
			continue
		}
		slices.Sort(t)
		least[i], noise[i] = t[0], t[len(t)/2]/t[0]-1
	}
	return least, noise, nil
}

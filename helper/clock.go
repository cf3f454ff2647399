// Implements clocks that only move when they are told to.

package helper

import (
	"sync"
	"time"
)

// Clock is a clock for tests: it stands still until it is advanced, and then what programs have asked to be called
// at a time is called, in order. The zero value is ready and shows 0. It is safe for concurrent use.
type Clock struct {
	mu     sync.Mutex
	now    uint64
	count  uint64
	alarms []*alarm
}

// alarm is a function that waits for its time.
type alarm struct {
	at    uint64
	order uint64 // of alarms for the same time
	run   func()
	stop  func() bool // reports whether it was still waiting
}

// Now returns what the clock shows, nanoseconds.
func (c *Clock) Now() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock and returns how many functions of programs it has called: timers that came due, also
// those that were started meanwhile, and work queues. While a timer's function runs, the clock shows the timer's time.
func (c *Clock) Advance(d time.Duration) (called int) {
	c.mu.Lock()
	end := c.now + uint64(max(d, 0))
	for {
		next := c.takeDue(end)
		if next == nil {
			break
		}
		c.now = max(c.now, next.at)
		c.mu.Unlock()
		next.run()
		called++
		c.mu.Lock()
	}
	c.now = max(c.now, end)
	c.mu.Unlock()
	return called
}

// takeDue removes the first alarm that is due.
func (c *Clock) takeDue(end uint64) *alarm {
	first := -1
	for i, a := range c.alarms {
		if a.at <= end && (first < 0 || a.at < c.alarms[first].at || a.at == c.alarms[first].at && a.order < c.alarms[first].order) {
			first = i
		}
	}
	if first < 0 {
		return nil
	}
	a := c.alarms[first]
	c.alarms = append(c.alarms[:first], c.alarms[first+1:]...)
	return a
}

// after has a function called in a while.
func (c *Clock) after(d uint64, run func()) *alarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	a := &alarm{at: c.now + d, order: c.count, run: run}
	a.stop = func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for i, o := range c.alarms {
			if o == a {
				c.alarms = append(c.alarms[:i], c.alarms[i+1:]...)
				return true
			}
		}
		return false
	}
	c.alarms = append(c.alarms, a)
	return a
}

// after has a function called in d nanoseconds, by the clock or in real time.
func (e *Env) after(d uint64, run func()) *alarm {
	if e != nil && e.Clock != nil {
		return e.Clock.after(d, run)
	}
	t := time.AfterFunc(time.Duration(min(d, 1<<62)), run)
	return &alarm{stop: t.Stop}
}

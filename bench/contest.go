// Implements contests: one program in all runtimes, their results compared before their times.

package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// engine is a runtime that programs of kind P can be loaded into.
type engine[P any] struct {
	name string
	load func(P) (*contender, error)
}

// contender is a program in one runtime.
type contender struct {
	result func() ([]byte, error) // runs it and returns everything it computed; nil: it computes nothing
	lap    lap
	close  func() // may be nil
}

// contest is a field of runtimes. The others have to match the results of the first, which is the interpreter where there is one.
type contest[P any] struct {
	engines []engine[P]
	rounds  int
	names   []string                     // of the programs that have run
	lacks   map[string]map[string]string // what could not be loaded: engine, program, reason
}

// run races the runtimes on a program and returns the nanoseconds of each and the greatest noise, as race does.
func (c *contest[P]) run(name string, program P) (least []float64, noise float64, err error) {
	c.names = append(c.names, name)
	laps := make([]lap, len(c.engines))
	var want []byte
	for i, e := range c.engines {
		p, err := e.load(program)
		if err != nil {
			if i == 0 {
				return nil, 0, fmt.Errorf("%s: %s: %w", name, e.name, err)
			}
			c.lack(e.name, name, err)
			continue
		}
		if p.close != nil {
			defer p.close()
		}
		laps[i] = p.lap
		if p.result == nil {
			continue
		}
		got, err := p.result()
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %s: %w", name, e.name, err)
		}
		if i == 0 {
			want = got
		}
		if !bytes.Equal(got, want) {
			return nil, 0, fmt.Errorf("%s: %s computes %s, %s %s", name, e.name, brief(got), c.engines[0].name, brief(want))
		}
	}
	least, noises, err := race(c.rounds, laps)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", name, err)
	}
	return least, slices.Max(noises), nil
}

// brief is enough of a result to see what is wrong.
func brief(result []byte) string {
	if len(result) > 16 {
		return fmt.Sprintf("%x… (%d bytes)", result[:16], len(result))
	}
	return fmt.Sprintf("%x", result)
}

func (c *contest[P]) lack(engine, program string, err error) {
	if c.lacks == nil {
		c.lacks = map[string]map[string]string{}
	}
	if c.lacks[engine] == nil {
		c.lacks[engine] = map[string]string{}
	}
	c.lacks[engine][program] = err.Error()
}

// missing names the runtimes that could not be loaded, and the programs that some could not load.
func (c *contest[P]) missing() {
	for _, engine := range slices.Sorted(maps.Keys(c.lacks)) {
		lacks := slices.Sorted(maps.Keys(c.lacks[engine]))
		has := slices.DeleteFunc(slices.Clone(c.names), func(name string) bool { return slices.Contains(lacks, name) })
		reason := c.lacks[engine][lacks[0]]
		switch {
		case len(has) == 0:
			fmt.Printf("missing: %s: %s\n", engine, reason)
		case len(has) < len(lacks):
			fmt.Printf("missing: %s, but for %s: %s\n", engine, strings.Join(has, ", "), reason)
		default:
			fmt.Printf("missing: %s of %s: %s\n", engine, strings.Join(lacks, ", "), reason)
		}
	}
}

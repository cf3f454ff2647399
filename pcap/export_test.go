// Implements what the tests see of the inside.

package pcap

import "golang.org/x/net/bpf"

// CompileSteps compiles an expression with the first n steps of the optimiser alone. It returns the name of the
// last of them, "" if there are not so many.
func CompileSteps(expr string, link LinkType, n int) ([]bpf.RawInstruction, string, error) {
	opts := &Options{LinkType: link}
	values := newPool()
	gen := newGenerator(values, opts)
	c, err := parse(expr, gen)
	if err != nil {
		return nil, "", err
	}
	if c != empty {
		c = and(gen.prologue(c), c)
	}
	g := newGraph(values, c)
	g.countSets()
	steps := []struct {
		name string
		run  func()
	}{
		{"fold values", func() { g.fold(false) }},
		{"merge", g.merge},
		{"drop sets", g.dropSets},
		{"thread", func() { g.thread(false) }},
		{"merge again", g.merge},
		{"thread again", func() { g.thread(false) }},
		{"fold tests", func() { g.fold(true) }},
		{"join ends", g.joinEnds},
		{"thread with ranges", func() { g.thread(true) }},
		{"settle", func() { g.settle(true) }},
		{"reuse registers and share code", nil},
	}
	if n > len(steps) {
		return nil, "", nil
	}
	reuse := false
	for _, s := range steps[:n] {
		if s.run == nil {
			reuse = true
		} else {
			s.run()
		}
	}
	code, err := g.emit(DefaultSnapLen, reuse)
	return code, steps[n-1].name, err
}

// Implements the table of predicates: the same tests of Go structs by Skep, by hand, by cel-go and by expr-lang.

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"cel.dev/cel-go/cel"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/skepbpf/skep/event"
	skepcel "github.com/skepbpf/skep/event/cel"
	"github.com/skepbpf/skep/event/cel/celtest"
)

// predicateRecords is how many records the runtimes go through in turn.
const predicateRecords = 1024

// samples are records in the forms that runtimes take them in. All are made before anything is timed.
type samples struct {
	records     []*celtest.Request
	variables   []map[string]any // for expr-lang, if it does not get the record itself
	activations []cel.Activation
}

func newSamples(n int, r *rand.Rand) (*samples, error) {
	s := &samples{}
	for range n {
		q := celtest.Random(r)
		a, err := cel.NewActivation(celtest.Variables(q))
		if err != nil {
			return nil, err
		}
		s.records, s.variables, s.activations = append(s.records, q), append(s.variables, variables(q)), append(s.activations, a)
	}
	return s, nil
}

// judge is a predicate in a runtime: of sample i, and of all of them in turn, n times in all.
type judge struct {
	one func(s *samples, i int) (bool, error)
	run func(s *samples, n int)
}

// predicateEngines are the columns of the table.
var predicateEngines = []struct {
	name    string
	compile func(p *celtest.Predicate) (*judge, error)
}{
	{"Go", goJudge},
	{"Skep", skepJudge},
	{"cel-go", celJudge},
	{"expr-lang", exprJudge(expr.Env(celtest.Request{}), func(s *samples, i int) any { return s.records[i] })},
	{"expr-lang, map", exprJudge(expr.Env(variables(&celtest.Request{})), func(s *samples, i int) any { return s.variables[i] })},
}

func goJudge(p *celtest.Predicate) (*judge, error) {
	return &judge{
		one: func(s *samples, i int) (bool, error) { return p.Go(s.records[i]), nil },
		run: func(s *samples, n int) {
			for i := range n {
				p.Go(s.records[i%predicateRecords])
			}
		},
	}, nil
}

func skepJudge(p *celtest.Predicate) (*judge, error) {
	f, err := skepcel.Compile[celtest.Request](p.CEL, nil)
	return &judge{
		one: func(s *samples, i int) (bool, error) { return f.Match(s.records[i]), nil },
		run: func(s *samples, n int) {
			for i := range n {
				f.Match(s.records[i%predicateRecords])
			}
		},
	}, err
}

// celJudge has cel-go fold constants and look its variables up in a map.
func celJudge(p *celtest.Predicate) (*judge, error) {
	s, err := event.SchemaFor[celtest.Request]()
	if err != nil {
		return nil, err
	}
	env, err := skepcel.Env(s)
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(p.CEL)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	prog, err := env.Program(checked, cel.EvalOptions(cel.OptOptimize))
	return &judge{
		one: func(s *samples, i int) (bool, error) {
			v, _, err := prog.Eval(s.activations[i])
			return err == nil && v.Value() == true, nil // a sum that overflows, for one, is an error there, and no match
		},
		run: func(s *samples, n int) {
			for i := range n {
				_, _, _ = prog.Eval(s.activations[i%predicateRecords])
			}
		},
	}, err
}

// exprJudge has expr-lang compile for the types of its variables, and run on a machine that is used again.
func exprJudge(env expr.Option, of func(*samples, int) any) func(*celtest.Predicate) (*judge, error) {
	return func(p *celtest.Predicate) (*judge, error) {
		text, ok := exprTexts[p.CEL]
		if !ok {
			return nil, errors.New("its language cannot say this, or has another meaning for it")
		}
		prog, err := expr.Compile(text, env, expr.AsBool(), expr.Optimize(true))
		machine := vm.VM{}
		return &judge{
			one: func(s *samples, i int) (bool, error) {
				v, err := machine.Run(prog, of(s, i))
				return v == true, err
			},
			run: func(s *samples, n int) {
				for i := range n {
					_, _ = machine.Run(prog, of(s, i%predicateRecords))
				}
			},
		}, err
	}
}

// contend makes a predicate in a runtime a contender.
func contend(compile func(*celtest.Predicate) (*judge, error), s *samples) func(*celtest.Predicate) (*contender, error) {
	return func(p *celtest.Predicate) (*contender, error) {
		j, err := compile(p)
		if err != nil {
			return nil, err
		}
		return &contender{
			result: func() ([]byte, error) { return verdicts(j, s) },
			lap:    batches(func(n int) { j.run(s, n) }),
		}, nil
	}
}

// verdicts has a byte for each sample.
func verdicts(j *judge, s *samples) ([]byte, error) {
	out := make([]byte, len(s.records))
	for i := range out {
		yes, err := j.one(s, i)
		if err != nil {
			return nil, err
		}
		if yes {
			out[i] = 1
		}
	}
	return out, nil
}

func predicates(rounds int, sel *selection) error {
	list, err := newSamples(predicateRecords, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		return err
	}
	c := contest[*celtest.Predicate]{rounds: rounds}
	var columns []column
	for _, e := range predicateEngines {
		c.engines = append(c.engines, engine[*celtest.Predicate]{e.name, contend(e.compile, list)})
		columns = append(columns, column{e.name, "%.1f", true})
	}
	var t *table
	for _, p := range celtest.Predicates {
		if !sel.wants("predicates", p.CEL) {
			continue
		}
		least, noise, err := c.run(p.CEL, p)
		if err != nil {
			return err
		}
		if t == nil {
			t = newTable("predicates: nanoseconds a record, the next of 1,024 Go structs. cel-go and \"map\" look fields up in a map, made before.",
				"predicate", columns, []ratio{{1, 0}, {2, 1}, {3, 1}, {4, 1}})
		}
		t.row(fmt.Sprintf("%.32s", p.CEL), least, noise)
	}
	if t == nil {
		return nil
	}
	if err := t.end(); err != nil {
		return err
	}
	c.missing()
	return nil
}

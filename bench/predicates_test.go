package main

import (
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/event/cel/celtest"
)

// TestPredicatesAgree compares the runtimes on a million random records, with -short on some thousands.
func TestPredicatesAgree(t *testing.T) {
	rounds := 1_000_000 / predicateRecords
	if testing.Short() {
		rounds = 5
	}
	type contestant struct {
		name string
		*judge
	}
	var list [][]contestant
	for _, p := range celtest.Predicates {
		var all []contestant
		for _, e := range predicateEngines {
			j, err := e.compile(p)
			if err != nil {
				if _, ok := exprTexts[p.CEL]; ok || e.name == "Go" || e.name == "Skep" || e.name == "cel-go" {
					t.Fatalf("%s: %s: %v", e.name, p.CEL, err)
				}
				continue
			}
			all = append(all, contestant{e.name, j})
		}
		list = append(list, all)
	}
	r := rand.New(rand.NewPCG(20, 26))
	n, yes := 0, 0
	for range rounds {
		s, err := newSamples(predicateRecords, r)
		if err != nil {
			t.Fatal(err)
		}
		for i, all := range list {
			want, err := verdicts(all[0].judge, s)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range all[1:] {
				got, err := verdicts(c.judge, s)
				if err != nil {
					t.Fatalf("%s: %s: %v", c.name, celtest.Predicates[i].CEL, err)
				}
				for k := range got {
					if got[k] != want[k] {
						t.Fatalf("%s: %s: %v, want %v of %+v", c.name, celtest.Predicates[i].CEL, got[k], want[k], s.records[k])
					}
				}
			}
			for _, v := range want {
				yes += int(v)
			}
		}
		n += predicateRecords
	}
	t.Logf("%d records, %d predicates, true %d times", n, len(list), yes)
}

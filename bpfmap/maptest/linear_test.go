// Implements the test of the check of histories.

package maptest

import "testing"

func TestLinearizableItself(t *testing.T) {
	write := func(v uint64, begin, end int64) event { return event{kind: Update, value: v, begin: begin, end: end} }
	read := func(v uint64, begin, end int64) event { return event{kind: Lookup, value: v, begin: begin, end: end} }
	miss := func(begin, end int64) event { return event{kind: Lookup, errno: 2, begin: begin, end: end} }
	for _, c := range []struct {
		name    string
		history []event
		evicts  bool
		good    bool
	}{
		{"one after another", []event{write(1, 1, 2), read(1, 3, 4)}, false, true},
		{"stale", []event{write(1, 1, 2), write(2, 3, 4), read(1, 5, 6)}, false, false},
		{"overlapping", []event{write(1, 1, 2), write(2, 3, 6), read(1, 4, 5)}, false, true},
		{"back in time", []event{write(1, 1, 2), write(2, 3, 8), read(2, 4, 5), read(1, 6, 7)}, false, false},
		{"lost", []event{write(1, 1, 2), miss(3, 4)}, false, false},
		{"evicted", []event{write(1, 1, 2), miss(3, 4)}, true, true},
		{"back from the dead", []event{write(1, 1, 2), miss(3, 4), read(1, 5, 6)}, true, false},
		{"inserted twice", []event{{kind: Update, flags: 1, value: 1, begin: 1, end: 4}, {kind: Update, flags: 1, value: 2, begin: 2, end: 3}}, false, false},
		{"deleted twice", []event{write(1, 1, 2), {kind: Delete, begin: 3, end: 6}, {kind: Delete, begin: 4, end: 5}}, false, false},
	} {
		if got := linearizable(register{}, c.history, c.evicts); got != c.good {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

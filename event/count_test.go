package event

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"

	"github.com/skepbpf/skep"
)

// TestMissionS47 counts a million events on each of 16 goroutines, all of them in the same counters.
func TestMissionS47(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	s, err := SchemaFor[service]()
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseFilter(s, `Status >= 400 && Method != "PUT"`, nil)
	if err != nil {
		t.Fatal(err)
	}
	records := services(1000)
	want := map[string]uint64{}
	total := uint64(0)
	for i := range n {
		x := &records[i%len(records)]
		if x.Status >= 400 && x.Method != "PUT" {
			want[fmt.Sprint(x.Tenant, x.Method)] += 16
			total += 16
		}
	}
	all, err := CompileCounterFor[service](e, nil, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	keyed, err := CompileCounterFor[service](e, []Expr{FieldValue("Tenant"), FieldValue("Method")}, 5000, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range n {
				x := &records[i%len(records)]
				all.Count(x)
				keyed.Count(x)
			}
		})
	}
	wg.Wait()
	if got := all.Total(); got != total {
		t.Errorf("%d counted, want %d", got, total)
	}
	if got := keyed.Total(); got != total || keyed.Lost() != 0 {
		t.Errorf("%d counted by key, want %d, %d lost", got, total, keyed.Lost())
	}
	counts := keyed.Counts()
	for _, c := range counts {
		if key := c.Values[0] + c.Values[1]; want[fmt.Sprint(c.Values[0], " ")+c.Values[1]] != c.N && want[key] != c.N {
			t.Errorf("%v: want %d", c, want[key])
		}
	}
	if len(counts) != len(want) {
		t.Errorf("%d keys, want %d", len(counts), len(want))
	}
}

// TestCounters counts in all engines, by keys of all kinds.
func TestCounters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var records []*record
	for range 500 {
		records = append(records, randomRecord(r))
	}
	for _, o := range []Options{{}, {Checked: true}, {Engine: skep.EngineInterp}} {
		by := map[string][]Expr{
			"log": {Log2(FieldValue("U64"))}, "text": {FieldValue("S")}, "bool": {FieldValue("B"), Compare(Greater, FieldValue("I8"), IntValue(0)), FieldValue("In.Code")},
			"missing": {FieldValue("Ptr.Name"), FieldValue("Ptr.Code")}, "runes": {Runes(FieldValue("S"))}, "addr": {FieldValue("N"), FieldValue("B")},
		}
		keyOf := map[string]func(x *record) string{
			"log": func(x *record) string { return fmt.Sprint([]any{bits.Len64(x.U64)}) }, "text": func(x *record) string { return fmt.Sprint([]string{cut(x.S)}) },
			"bool": func(x *record) string { return fmt.Sprint([]any{x.B, x.I8 > 0, x.In.Code}) },
			"missing": func(x *record) string {
				if x.Ptr == nil {
					return ""
				}
				return fmt.Sprint([]any{cut(x.Ptr.Name), x.Ptr.Code})
			},
			"addr": func(x *record) string {
				n, ok := netip.AddrFromSlice(x.N)
				if !ok {
					return ""
				}
				return fmt.Sprint([]any{n.Unmap(), x.B})
			},
			"runes": func(x *record) string { return fmt.Sprint([]any{len([]rune(x.S))}) },
		}
		for name, keys := range by {
			c, err := CompileCounterFor[record](Compare(NotEqual, FieldValue("U8"), UintValue(1)), keys, 1000, &o)
			if err != nil {
				t.Fatal(name, err)
			}
			if c.unproved != nil {
				t.Error(c.unproved)
			}
			want := map[string]uint64{}
			for _, x := range records {
				k := keyOf[name](x)
				yes := x.U8 != 1 && k != ""
				if got := c.Count(x); got != yes {
					t.Fatalf("%s, %+v: %v, want %v", name, o, got, yes)
				}
				if yes {
					want[k]++
				}
			}
			got := c.Counts()
			for _, n := range got {
				if want[fmt.Sprint(n.Values)] != n.N {
					t.Errorf("%s, %+v: %v, want %d", name, o, n, want[fmt.Sprint(n.Values)])
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s, %+v: %d keys, want %d", name, o, len(got), len(want))
			}
		}
	}
	small, err := CompileCounterFor[record](BoolValue(true), []Expr{FieldValue("U64")}, 4, nil)
	if err != nil {
		t.Fatal(err)
	}
	counted := uint64(0)
	for _, x := range records {
		if small.Count(x) {
			counted++
		}
	}
	if small.Lost()+counted != uint64(len(records)) || small.Total() != counted || small.Lost() == 0 {
		t.Errorf("%d lost, %d counted", small.Lost(), counted)
	}
}

// cut is a text as the counter shows it: its first 16 bytes without NULs behind.
func cut(s string) string {
	s = s[:min(len(s), 16)]
	for len(s) > 0 && s[len(s)-1] == 0 {
		s = s[:len(s)-1]
	}
	return s
}

package event

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skepbpf/skep"
)

// TestSampler takes samples in all engines: of all records, and of those with the same values.
func TestSampler(t *testing.T) {
	when := Compare(Less, FieldValue("Status"), UintValue(500))
	records := services(2000)
	for _, opts := range []*Options{nil, {Checked: true}, {Engine: skep.EngineInterp}} {
		for _, by := range [][]Expr{nil, {FieldValue("Method")}, {FieldValue("Tenant"), FieldValue("Method")}} {
			s, err := CompileSamplerFor[service](when, 7, by, 5000, opts)
			if err != nil {
				t.Fatal(err)
			}
			type key struct {
				tenant uint32
				method string
			}
			seen, total := map[key]int{}, uint64(0)
			for i := range records {
				r := &records[i]
				k := key{}
				if len(by) > 0 {
					k.method = r.Method
				}
				if len(by) > 1 {
					k.tenant = r.Tenant
				}
				want := r.Status < 500 && seen[k]%7 == 0
				if r.Status < 500 {
					seen[k]++
					total++
				}
				if got := s.Take(r); got != want {
					t.Fatalf("record %d, by %d values: %v, want %v", i, len(by), got, want)
				}
			}
			if s.Seen() != total || len(s.Counts()) != len(seen) || s.Lost() != 0 {
				t.Errorf("%d seen, want %d; %d keys, want %d", s.Seen(), total, len(s.Counts()), len(seen))
			}
		}
	}
	if _, err := CompileSamplerFor[service](when, 0, nil, 1, nil); err == nil {
		t.Error("a sample of one in none is taken")
	}
}

// TestSamplerShared samples on many goroutines: the number is exact.
func TestSamplerShared(t *testing.T) {
	s, err := CompileSamplerFor[service](BoolValue(true), 10, []Expr{FieldValue("Method")}, 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	var taken atomic.Uint64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			r := service{Method: "GET"}
			for range 10_001 {
				if s.Take(&r) {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := taken.Load(); got != 8001 {
		t.Errorf("%d taken of 80008, want 8001", got)
	}
	r := service{Method: "GET"}
	if n := testing.AllocsPerRun(100, func() { s.Take(&r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

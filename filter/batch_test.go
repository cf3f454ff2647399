package filter_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/classic/classictest"
	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/helper"
)

// TestVerdictBatch compares batches with the classic reference machine, on random programs and packets.
func TestVerdictBatch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	accepted := 0
	for round := range rounds {
		prog := classictest.Program(rng, 1+rng.IntN(40), classictest.Full)
		packets := make([][]byte, rng.IntN(40))
		for i := range packets {
			packets[i] = classictest.Packet(rng).Data
		}
		for _, e := range []skep.Engine{skep.EngineAuto, skep.EngineInterp} {
			f, err := filter.New(prog, &skep.Options{Engine: e, Env: &helper.Env{Random: func() uint32 { return 4 }}})
			if err != nil {
				t.Fatal(err)
			}
			verdicts := make([]uint32, len(packets)+1)
			verdicts[len(packets)] = 77
			f.VerdictBatch(packets, verdicts)
			for i, p := range packets {
				want := f.Verdict(p)
				if verdicts[i] != want {
					t.Fatalf("round %d, %s: packet %d: %d in the batch, %d alone\n%+v", round, e, i, verdicts[i], want, prog)
				}
				if want > 0 {
					accepted++
				}
			}
			if verdicts[len(packets)] != 77 {
				t.Fatalf("round %d: written behind the end", round)
			}
		}
	}
	if accepted == 0 {
		t.Error("no packet was ever accepted")
	}
}

// TestBatchAndCollector runs batches while the collector works, on packets that nobody else refers to.
func TestBatchAndCollector(t *testing.T) {
	f := newFilter(t)
	done := make(chan struct{})
	go func() {
		for range 200 {
			runtime.GC()
		}
		close(done)
	}()
	i := f.Program().NewInstance()
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		packets := make([][]byte, 100)
		for k := range packets {
			packets[k] = packet(60)
			packets[k][23] = byte(k % 2 * 6)
		}
		verdicts := make([]uint32, len(packets))
		if got, err := i.RunBatch(packets, verdicts); got != len(packets) || err != nil {
			t.Fatal(got, err)
		}
		for k, v := range verdicts {
			if (v != 0) != (k%2 == 1) {
				t.Fatalf("packet %d: %d", k, v)
			}
		}
	}
}

func TestBatchWithoutRoom(t *testing.T) {
	f := newFilter(t)
	if n, err := f.Program().NewInstance().RunBatch(make([][]byte, 3), make([]uint32, 2)); n != 0 || err == nil {
		t.Errorf("%d, %v", n, err)
	}
}

func BenchmarkBatch(b *testing.B) {
	f := newFilter(b)
	packets := make([][]byte, 256)
	for k := range packets {
		packets[k] = append(packet(60), make([]byte, k)...)
	}
	verdicts := make([]uint32, len(packets))
	i := f.Program().NewInstance()
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			for _, p := range packets {
				if _, err := i.Run(p); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(packets)), "ns/packet")
	})
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			if _, err := i.RunBatch(packets, verdicts); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(packets)), "ns/packet")
	})
}

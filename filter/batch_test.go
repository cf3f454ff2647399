package filter_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/classic/classictest"
	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
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
		lengths := make([]uint32, len(packets))
		for i := range packets {
			packets[i] = classictest.Packet(rng).Data
			lengths[i] = uint32(len(packets[i]) + rng.IntN(2)*rng.IntN(100))
		}
		for _, e := range []skep.Engine{skep.EngineAuto, skep.EngineInterp} {
			f, err := filter.New(prog, &skep.Options{Engine: e, Env: &helper.Env{Random: func() uint32 { return 4 }}})
			if err != nil {
				t.Fatal(err)
			}
			verdicts := make([]uint32, len(packets)+1)
			verdicts[len(packets)] = 77
			cut := rng.IntN(2) == 0
			if cut {
				f.VerdictBatchCut(packets, lengths, verdicts)
			} else {
				f.VerdictBatch(packets, verdicts)
			}
			for i, p := range packets {
				want := f.Verdict(p)
				if cut {
					want = f.VerdictPacket(&spec.Packet{Data: p, WireLen: int(lengths[i])})
				}
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

// TestBatchOfLengths runs batches of filters that look at lengths, some on packets that each stop the machine code
// (a load at a negative offset is left to others).
func TestBatchOfLengths(t *testing.T) {
	const count = 300
	packets, lengths, verdicts := make([][]byte, count), make([]uint32, count), make([]uint32, count)
	for i := range packets {
		packets[i] = make([]byte, 20+i%7)
		packets[i][0] = byte(i % 3)
		lengths[i] = uint32(1000 + i)
	}
	length := bpf.LoadExtension{Num: bpf.ExtLen}
	for name, insns := range map[string][]bpf.Instruction{
		"length":  {length, bpf.RetA{}},
		"scratch": {length, bpf.StoreScratch{Src: bpf.RegA, N: 3}, bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.LoadScratch{Dst: bpf.RegA, N: 3}, bpf.RetA{}},
		"stops": {bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipFalse: 2},
			bpf.LoadConstant{Dst: bpf.RegX, Val: 0xfff00000}, bpf.LoadIndirect{Off: 2, Size: 1}, length, bpf.RetA{}},
	} {
		raw, err := bpf.Assemble(insns)
		if err != nil {
			t.Fatal(err)
		}
		f, err := filter.New(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, given := range [][]uint32{lengths, nil} {
			f.VerdictBatchCut(packets, given, verdicts)
			for i, v := range verdicts {
				want := uint32(len(packets[i]))
				if given != nil {
					want = given[i]
				}
				if v != want {
					t.Fatalf("%s: packet %d: %d, not %d", name, i, v, want)
				}
			}
		}
		if n := testing.AllocsPerRun(20, func() { f.VerdictBatchCut(packets, lengths, verdicts) }); n != 0 && !raced {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkLengths(b *testing.B) {
	f, err := filter.Compile("tcp and greater 100", nil)
	if err != nil {
		b.Fatal(err)
	}
	packets, lengths, verdicts := make([][]byte, 256), make([]uint32, 256), make([]uint32, 256)
	for k := range packets {
		packets[k] = append(packet(60), make([]byte, k)...)
		lengths[k] = uint32(len(packets[k]))
	}
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			for _, p := range packets {
				f.Verdict(p)
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(packets)), "ns/packet")
	})
	b.Run("batch", func(b *testing.B) {
		for b.Loop() {
			f.VerdictBatchCut(packets, lengths, verdicts)
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N*len(packets)), "ns/packet")
	})
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

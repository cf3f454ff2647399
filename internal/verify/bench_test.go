package verify_test

import (
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
)

// BenchmarkVerify reports the time for each instruction that is walked through.
func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"arith", "calls", "count"} {
		c, err := elf.Load(objtest.Object(b, name), nil)
		if err != nil {
			b.Fatal(err)
		}
		for i := range c.Programs {
			p := &c.Programs[i]
			b.Run(name+"/"+p.Name, func(b *testing.B) {
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					v, err := skep.Verify(p, c.Maps, nil)
					if err != nil {
						b.Skip(err)
					}
					n += v.Processed
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/insn")
			})
		}
	}
}

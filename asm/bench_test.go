// Implements the benchmarks: lines a second, read and printed.

package asm

import (
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// benchText returns a text with every row of the table, many times.
func benchText(b *testing.B, d Dialect) (string, *spec.Program, int) {
	b.Helper()
	p := &spec.Program{}
	for range 50 {
		for _, row := range isa.Linux.Rows() {
			p.Insns = append(p.Insns, build(row, 1, 2, 8, 42, 7)...)
		}
	}
	text, err := Disassemble(p, &Options{Dialect: d})
	if err != nil {
		b.Fatal(err)
	}
	return text, p, strings.Count(text, "\n")
}

func BenchmarkAssemble(b *testing.B) {
	for _, d := range []Dialect{Assign, UBPF, Doc} {
		b.Run(d.String(), func(b *testing.B) {
			text, _, lines := benchText(b, d)
			for b.Loop() {
				if _, err := Assemble("", text, nil); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

func BenchmarkDisassemble(b *testing.B) {
	for _, d := range []Dialect{Assign, UBPF, Doc} {
		b.Run(d.String(), func(b *testing.B) {
			_, p, lines := benchText(b, d)
			for b.Loop() {
				if _, err := Disassemble(p, &Options{Dialect: d}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}

// Implements the tables that are printed.

package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// column is a column of numbers.
type column struct {
	head string
	form string // how to print a number
	mean bool   // whether the last row has their geometric mean
}

// ratio is a column that compares two others.
type ratio struct{ of, to int }

// table prints rows of a name, numbers, their ratios and the noise. NaN is a number that is missing.
type table struct {
	w       *tabwriter.Writer
	columns []column
	ratios  []ratio
	means   []geomean
	rows    int
}

// newTable prints the title and begins a table whose first column is headed by what its rows are.
func newTable(title, what string, columns []column, ratios []ratio) *table {
	fmt.Printf("\n%s\n\n", title)
	t := &table{w: tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight), ratios: ratios}
	t.columns = append(t.columns, columns...)
	for _, r := range ratios {
		t.columns = append(t.columns, column{columns[r.of].head + " / " + columns[r.to].head, "%.2f", true})
	}
	t.columns = append(t.columns, column{"noise", "%.0f%%", false})
	t.means = make([]geomean, len(t.columns))
	heads := make([]string, len(t.columns))
	for i, c := range t.columns {
		heads[i] = c.head
	}
	fmt.Fprintf(t.w, "%s\t%s\t\n", what, strings.Join(heads, "\t"))
	return t
}

// row adds a row; noise is a fraction of 1.
func (t *table) row(name string, numbers []float64, noise float64) {
	t.rows++
	all := append([]float64(nil), numbers...)
	for _, r := range t.ratios {
		all = append(all, numbers[r.of]/numbers[r.to])
	}
	all = append(all, noise*100)
	fmt.Fprint(t.w, name, "\t")
	for i, v := range all {
		t.means[i].add(v)
		t.cell(i, v)
	}
	fmt.Fprintln(t.w)
}

// end adds the geometric means, if columns have them and there is more than one row, and prints the table.
func (t *table) end() error {
	if t.rows > 1 && slices.ContainsFunc(t.columns, func(c column) bool { return c.mean }) {
		fmt.Fprint(t.w, "geometric mean\t")
		for i := range t.columns {
			v := math.NaN()
			if t.columns[i].mean {
				v = t.means[i].value()
			}
			t.cell(i, v)
		}
		fmt.Fprintln(t.w)
	}
	return t.w.Flush()
}

func (t *table) cell(i int, v float64) {
	if math.IsNaN(v) {
		fmt.Fprint(t.w, "-\t")
		return
	}
	fmt.Fprintf(t.w, t.columns[i].form+"\t", v)
}

// geomean collects numbers for a geometric mean.
type geomean struct {
	sum float64
	n   int
}

// add takes a number in, if it is one.
func (g *geomean) add(v float64) {
	if v > 0 {
		g.sum += math.Log(v)
		g.n++
	}
}

// value returns the mean, NaN of nothing.
func (g *geomean) value() float64 { return math.Exp(g.sum / float64(g.n)) }

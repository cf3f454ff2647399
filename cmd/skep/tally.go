// Implements the counts per verdict of a run over a capture.

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
)

// maxVerdicts is how many verdicts are told apart: a program may return something else for every packet.
const maxVerdicts = 1000

// maxShown is how many of them the table shows, those with the most packets.
const maxShown = 20

// tally counts packets by verdict.
type tally struct {
	packets, bytes uint64
	matched        uint64 // verdict other than 0
	by             map[verdict]*count
	rest           count // verdicts beyond maxVerdicts
}

type count struct{ packets, bytes uint64 }

func (c *count) add(bytes int) {
	c.packets++
	c.bytes += uint64(bytes)
}

func (t *tally) add(v verdict, bytes int) {
	t.packets++
	t.bytes += uint64(bytes)
	if v.value != 0 {
		t.matched++
	}
	c := t.by[v]
	if c == nil {
		if len(t.by) == maxVerdicts {
			t.rest.add(bytes)
			return
		}
		if t.by == nil {
			t.by = map[verdict]*count{}
		}
		c = &count{}
		t.by[v] = c
	}
	c.add(bytes)
}

// ordered returns the verdicts by number.
func (t *tally) ordered() []verdict {
	var all []verdict
	for v := range t.by {
		all = append(all, v)
	}
	slices.SortFunc(all, verdict.compare)
	return all
}

// print prints the table.
func (t *tally) print(w io.Writer) {
	all := t.ordered()
	rest, hidden := t.rest, 0
	if len(all) > maxShown {
		slices.SortStableFunc(all, func(a, b verdict) int { return int(int64(t.by[b].packets) - int64(t.by[a].packets)) })
		for _, v := range all[maxShown:] {
			rest.packets += t.by[v].packets
			rest.bytes += t.by[v].bytes
			hidden++
		}
		all = all[:maxShown]
		slices.SortFunc(all, verdict.compare)
	}
	rows := [][]string{{"VERDICT", "", "PACKETS", "BYTES"}}
	row := func(number, name string, c count) {
		rows = append(rows, []string{number, name, strconv.FormatUint(c.packets, 10), strconv.FormatUint(c.bytes, 10)})
	}
	for _, v := range all {
		row(v.number(), v.name, *t.by[v])
	}
	switch {
	case t.rest.packets > 0:
		row("other", "", rest)
	case hidden > 0:
		row("other", fmt.Sprintf("(%d verdicts)", hidden), rest)
	}
	columns(w, rows, 0, 2, 3)
}

// tallyRow is a verdict's count as JSON.
type tallyRow struct {
	R0      string `json:"r0"`
	Verdict string `json:"verdict,omitempty"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}

// json returns the rows for JSON; the row of verdicts beyond maxVerdicts has no r0.
func (t *tally) json() []tallyRow {
	rows := []tallyRow{}
	for _, v := range t.ordered() {
		c := t.by[v]
		rows = append(rows, tallyRow{v.bits(), v.name, c.packets, c.bytes})
	}
	if t.rest.packets > 0 {
		rows = append(rows, tallyRow{"", "others", t.rest.packets, t.rest.bytes})
	}
	return rows
}

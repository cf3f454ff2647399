// Implements what run prints: the counts of a capture, and the JSON objects.

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/skepbpf/skep/spec"
)

// runReport is what run prints as JSON; cli.md's contract names the fields.
type runReport struct {
	Program  string  `json:"program"`
	Type     string  `json:"type"`
	Engine   string  `json:"engine"`
	Verified bool    `json:"verified"`
	R0       string  `json:"r0"`
	Retval   uint32  `json:"retval"`
	Runs     uint32  `json:"runs"`
	NsPerRun float64 `json:"ns_per_run"`
	DataOut  string  `json:"data_out,omitempty"`
}

// packetReport is a packet's verdict as JSON.
type packetReport struct {
	Packet  uint64    `json:"packet"` // from 1
	Time    time.Time `json:"time,omitzero"`
	Bytes   int       `json:"bytes"`
	R0      string    `json:"r0"`
	Verdict string    `json:"verdict,omitempty"`
}

// captureReport is the outcome of a run over a capture as JSON.
type captureReport struct {
	Program  string     `json:"program"`
	Type     string     `json:"type"`
	Engine   string     `json:"engine"`
	Verified bool       `json:"verified"`
	Packets  uint64     `json:"packets"`
	Bytes    uint64     `json:"bytes"`
	Matched  *uint64    `json:"matched,omitempty"` // of socket filters
	Verdicts []tallyRow `json:"verdicts"`
	Runs     uint64     `json:"runs"`
	NsPerRun float64    `json:"ns_per_run"`
}

// report prints the counts.
func (c *captureRun) report() error {
	runs := c.tally.packets * uint64(c.flags.repeat)
	ns := float64(c.elapsed.Nanoseconds()) / float64(max(runs, 1))
	if c.flags.json {
		out := captureReport{c.spec.Name, c.spec.Type.String(), c.eng.name(), c.eng.verified(),
			c.tally.packets, c.tally.bytes, nil, c.tally.json(), runs, ns}
		if c.spec.Type == spec.SocketFilter {
			out.Matched = &c.tally.matched
		}
		return errors.Join(c.flags.showMaps(c.out, c.eng), jsonLine(c.out, out))
	}
	c.tally.print(c.out)
	if c.spec.Type == spec.SocketFilter {
		fmt.Fprintf(c.out, "matched %d of %d packets\n", c.tally.matched, c.tally.packets)
	}
	if c.flags.repeat > 1 {
		fmt.Fprintf(c.out, "%d runs, %s each (%s)\n", runs, nanoseconds(ns), c.eng.name())
	}
	return c.flags.showMaps(c.out, c.eng)
}

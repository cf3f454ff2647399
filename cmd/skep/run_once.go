// Implements run on a single piece of data.

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/spec"
)

// once runs the program on the data of --data-in.
func (f *runFlags) once(cmd *cobra.Command, p *spec.Program, e engine) error {
	j := job{packet: &spec.Packet{}, repeat: f.repeat, keep: true}
	for _, in := range []struct {
		name string
		to   *[]byte
	}{{f.dataIn, &j.packet.Data}, {f.ctxIn, &j.context}} {
		if in.name == "" {
			continue
		}
		data, err := readFile(cmd, in.name)
		if err != nil {
			return err
		}
		*in.to = data
	}
	o, err := e.run(j)
	if err != nil {
		return err
	}
	if f.dataOut != "" {
		if err := writeFile(cmd, f.dataOut, o.data); err != nil {
			return err
		}
	}
	r := runReport{Program: p.Name, Type: p.Type.String(), Engine: e.name(), Verified: e.verified(),
		R0: strconv.FormatUint(o.r0, 10), Retval: uint32(o.r0), Runs: f.repeat,
		NsPerRun: float64(o.elapsed.Nanoseconds()) / float64(f.repeat)}
	if !bytes.Equal(o.data, j.packet.Data) {
		r.DataOut = hex.EncodeToString(o.data)
	}
	return f.print(cmd, p, e, r, o)
}

// print prints the report of a single run. It goes to stderr if the data has gone to stdout.
func (f *runFlags) print(cmd *cobra.Command, p *spec.Program, e engine, r runReport, o outcome) error {
	w := cmd.OutOrStdout()
	if f.dataOut == "-" {
		w = cmd.ErrOrStderr()
	}
	if f.json {
		return errors.Join(f.showMaps(w, e), jsonLine(w, r))
	}
	fmt.Fprintln(w, verdictOf(p.Type, o.r0))
	if f.repeat > 1 {
		fmt.Fprintf(w, "%d runs, %s each (%s)\n", r.Runs, nanoseconds(r.NsPerRun), r.Engine)
	}
	if r.DataOut != "" && f.dataOut == "" {
		fmt.Fprintf(w, "the program changed the data; --data-out writes it to a file\n")
	}
	return f.showMaps(w, e)
}

// showMaps prints the maps as the program has left them.
func (f *runFlags) showMaps(w io.Writer, e engine) error {
	if own, ok := e.(*ownEngine); ok {
		return showMaps(w, own.coll, f.json)
	}
	return nil
}

// nanoseconds prints a duration with three digits.
func nanoseconds(ns float64) string {
	for _, unit := range []string{"ns", "µs", "ms"} {
		if ns < 1000 {
			return strconv.FormatFloat(ns, 'g', 3, 64) + " " + unit
		}
		ns /= 1000
	}
	return strconv.FormatFloat(ns, 'f', 2, 64) + " s"
}

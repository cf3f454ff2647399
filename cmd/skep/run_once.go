// Implements run on a single piece of data.

package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
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
	if err != nil && f.ctxIn == "" && readsContext(err) {
		err = no(fmt.Errorf("%w\n  it has no context: --ctx-in gives it one", err))
	}
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

// readsContext reports whether a run has ended at an access to a context that is not there.
func readsContext(err error) bool {
	const first, end = 2 << 24, 3 << 24 // where contexts are
	var fault *skep.Fault
	return errors.As(err, &fault) && fault.Code == skep.OutOfBounds && fault.Addr >= first && fault.Addr < end
}

// traceWriter prints what programs print (bpf_printk), a line for each message.
type traceWriter struct {
	mu sync.Mutex
	to io.Writer
}

// Write implements io.Writer.
func (t *traceWriter) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := fmt.Fprintf(t.to, "trace: %s", text); err != nil {
		return 0, err
	}
	return len(text), nil
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

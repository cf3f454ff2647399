// Implements trace filter: records of which an event filter holds, and counts of them.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/event"
)

// traceFlags are the flags of trace filter.
type traceFlags struct {
	format, read, fields string
	event                string
	hist, by, sampleBy   string
	sample               int
	raw, count, json     bool
}

func traceCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "trace", Short: "Look at records of events", Args: cobra.NoArgs}
	f := &traceFlags{}
	filter := &cobra.Command{
		Use:   "filter [EXPRESSION] --format FORMAT [-r FILE]",
		Short: "Find the records that an event filter lets through",
		Long: `Trace filter compiles an expression in the language of the kernel's event filters to machine code and runs it over
records from stdin or a file. The format is one of

  json, logfmt    lines with fields; their kinds are worked out from the first 256 lines, or given with --fields
  pcap            packets of a capture, by what is known of each: number, time, len, caplen, protocol, proto, src, dst,
                  sport, dport
  trace-cmd       the records of one event (--event) in a file of trace-cmd, which has the event's format as well
  a file          the format file of an event in tracefs; the input is pages as trace_pipe_raw gives them, or with
                  --raw records, each behind its length in 32 bits (lowest byte first)

It prints the records, or with --count their number, with --by FIELD how many there are of each value, with --hist FIELD
a histogram: how many there are between two powers of 2. At a terminal these tables are up to date while it reads. Without
an expression every record counts. Of the records that the expression lets through, --sample N takes the first of every N
alone, with --sample-by FIELD of every N that have the same value. It ends with 0 if there were such records and with 1 if
there were none.`,
		Example: `  skep trace filter 'status >= 500 && path ~ "/api/*"' --format json -r access.log
  skep trace filter --format json --hist took 'method == "GET"' < access.log
  skep trace filter 'status >= 500' --format json --sample 100 --sample-by path < access.log
  skep trace filter 'next_prio < 120' --format /sys/kernel/tracing/events/sched/sched_switch/format < pages
  skep trace filter 'prev_state == 0' --format trace-cmd --event sched_switch --by next_comm -r trace.dat
  skep trace filter 'src == "10.0.0.0/8" && dport == 443' --format pcap --by dst -r traffic.pcap`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.execute(cmd, strings.Join(args, "")) },
	}
	fl := filter.Flags()
	fl.StringVar(&f.format, "format", "", "json, logfmt, pcap, trace-cmd or a `file` of tracefs that describes the event")
	fl.StringVar(&f.event, "event", "", "the `name` of the event in a file of trace-cmd, such as sched/sched_switch")
	fl.StringVarP(&f.read, "read", "r", "-", "read records from this `file`")
	fl.StringVar(&f.fields, "fields", "", "the fields of lines and their kinds, such as `status:uint,took:duration`")
	fl.StringVar(&f.hist, "hist", "", "print a histogram of a `field` that is a whole number")
	fl.StringVar(&f.by, "by", "", "print how many records have each value of a `field`")
	fl.IntVar(&f.sample, "sample", 0, "take one in `N` of the records")
	fl.StringVar(&f.sampleBy, "sample-by", "", "take one in N of the records with the same value of a `field`")
	fl.BoolVar(&f.raw, "raw", false, "the input is records, each behind its length, and not pages")
	fl.BoolVar(&f.count, "count", false, "print the number of records, and nothing else")
	fl.BoolVar(&f.json, "json", false, "print JSON objects")
	cmd.AddCommand(filter)
	return cmd
}

// traceSource is where records come from.
type traceSource interface {
	schema() *event.Schema
	// each calls f with every record and what it is shown as, empty: by its fields. Both are good until f returns.
	each(f func(rec, shown []byte) error) error
}

// placed is a source that knows of a record, while each shows it, when and where it was written.
type placed interface {
	place() string
	describe(object map[string]any)
}

// traceRun is a run over records.
type traceRun struct {
	flags   *traceFlags
	src     traceSource
	match   *event.Predicate
	counter *event.Counter
	sampler *event.Sampler
	out     *bufio.Writer
	live    *liveTable
	matched uint64
}

func (f *traceFlags) execute(cmd *cobra.Command, expr string) error {
	n := 0
	for _, set := range []bool{f.count, f.hist != "", f.by != ""} {
		if set {
			n++
		}
	}
	switch {
	case f.format == "":
		return usagef("give the format of the records with --format: json, logfmt, pcap, trace-cmd or a file of tracefs")
	case n > 1:
		return usagef("--count, --hist and --by do not go together")
	case f.sampleBy != "" && f.sample == 0:
		return usagef("--sample-by goes with --sample")
	case f.sample < 0:
		return usagef("--sample %d: one in at least 1", f.sample)
	}
	in, err := open(cmd, f.read)
	if err != nil {
		return err
	}
	defer in.Close()
	src, err := f.source(cmd, in)
	if err != nil {
		return err
	}
	run := &traceRun{flags: f, src: src, out: bufio.NewWriter(cmd.OutOrStdout())}
	if err := run.compile(expr); err != nil {
		return err
	}
	run.live = newLiveTable(cmd.OutOrStdout(), run.table)
	err = src.each(run.record)
	if ended := run.end(); err == nil {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("%s: %w", shown(f.read), err)
	}
	if run.matched == 0 {
		return no(errors.New("no record matched"))
	}
	return nil
}

// compile compiles the expression, and the counter if there is to be one.
func (r *traceRun) compile(expr string) error {
	e := event.BoolValue(true)
	var err error
	s := r.src.schema()
	if strings.TrimSpace(expr) != "" {
		if e, err = event.ParseFilter(s, expr, nil); err != nil {
			return explainEvent(expr, err)
		}
	}
	if r.match, err = event.Compile(s, e, nil); err != nil {
		return explainEvent(expr, err)
	}
	if r.flags.sample > 0 {
		var by []event.Expr
		if r.flags.sampleBy != "" {
			by = append(by, event.FieldValue(r.flags.sampleBy))
		}
		if r.sampler, err = event.CompileSampler(s, e, r.flags.sample, by, 1<<16, nil); err != nil {
			return fmt.Errorf("--sample: %w", err)
		}
	}
	key := r.flags.by + r.flags.hist
	if key == "" {
		return nil
	}
	by := event.FieldValue(key)
	if r.flags.hist != "" {
		by = event.Log2(by)
	}
	if r.counter, err = event.CompileCounter(s, e, []event.Expr{by}, 1<<16, nil); err != nil {
		return fmt.Errorf("field %s: %w", key, err)
	}
	return nil
}

// explainEvent shows where in an expression an error is.
func explainEvent(expr string, err error) error {
	var e *event.Error
	if !errors.As(err, &e) || e.Pos == 0 || e.Pos > len(expr)+1 || strings.ContainsAny(expr, "\n\t") {
		return err
	}
	return fmt.Errorf("%w\n  %s\n  %*s", err, expr, len([]rune(expr[:e.Pos-1]))+1, "^")
}

// record judges a record.
func (r *traceRun) record(rec, shown []byte) error {
	if r.sampler != nil && !r.sampler.Take(rec) {
		return nil
	}
	if r.counter != nil {
		if r.counter.Count(rec) {
			r.matched++
		}
		r.live.show()
		return nil
	}
	if !r.match.Match(rec) {
		return nil
	}
	r.matched++
	switch {
	case r.flags.count:
		return nil
	case shown == nil && r.flags.json:
		return jsonLine(r.out, r.object(rec))
	case shown == nil:
		shown = r.text(rec)
	}
	r.out.Write(shown)
	return r.out.WriteByte('\n')
}

// text shows a record by its fields.
func (r *traceRun) text(rec []byte) []byte {
	var b []byte
	if p, ok := r.src.(placed); ok {
		b = append(b, p.place()...)
	}
	r.src.schema().Each(rec, func(name string, v any) {
		switch x := v.(type) {
		case string:
			v = fmt.Sprintf("%q", x)
		case time.Time:
			v = x.Format(time.RFC3339Nano)
		}
		b = fmt.Appendf(b, "%s=%v ", name, v)
	})
	return b[:max(0, len(b)-1)]
}

// object is a record as JSON.
func (r *traceRun) object(rec []byte) map[string]any {
	out := map[string]any{}
	if p, ok := r.src.(placed); ok {
		p.describe(out)
	}
	r.src.schema().Each(rec, func(name string, v any) { out[name] = v })
	return out
}

// end prints what comes last.
func (r *traceRun) end() error {
	defer r.out.Flush()
	switch {
	case r.counter != nil && r.flags.json:
		for _, c := range r.counter.Counts() {
			if err := jsonLine(r.out, map[string]any{"value": c.Values[0], "count": c.N}); err != nil {
				return err
			}
		}
		return nil
	case r.counter != nil:
		r.live.wipe()
		_, err := io.WriteString(r.out, r.table())
		return err
	case r.flags.count && r.flags.json:
		return jsonLine(r.out, map[string]any{"matched": r.matched})
	case r.flags.count:
		_, err := fmt.Fprintln(r.out, r.matched)
		return err
	}
	return nil
}

// Package event compiles predicates over events, records and Go values to machine code, by way of BPF: filters of
// tracers and log pipelines, rules, counters.
//
//	type Request struct {
//		Method string
//		Status uint16
//		Client netip.Addr
//		Took   time.Duration
//	}
//	schema, err := event.SchemaFor[Request]()
//	e, err := event.ParseFilter(schema, `Status >= 500 && Method == "POST"`, nil)
//	failed, err := event.CompileFor[Request](e, nil)
//	if failed.Match(&request) { … }
//
// A Schema says what fields records have and where: of a Go struct type (SchemaFor), of an event of the kernel by its
// format file (ParseFormat), of records of any layout by a literal, of lines of JSON or logfmt (Lines). An Expr is built
// by functions such as And and Compare, or parsed: ParseFilter reads the language of the kernel's event filters; the
// module event/cel reads a subset of CEL. Compile makes a Predicate of both, CompileFor one that takes *T.
//
// # Values that are not there
//
// A field may be missing: one behind a nil pointer, one that a line does not have, one that claims to be outside its
// record. A test of it has no value then, as an addition that overflows. && and || have a value if one side decides;
// what has no value at the end does not match. Eval tells it from what is false.
//
// # More than yes and no
//
// Rules is a set of thousands of predicates in one program, which finds the first that holds and shares their tests.
// Counter counts the records of which a predicate holds, by the values of fields, or in a histogram (Log2); Sampler takes one
// in so many of them. Each is for many goroutines at once, without locks. Func.Func is a predicate as a plain func(*T) bool.
//
// # Safety
//
// The code looks at nothing outside the record. That is proved of each piece of code when it is compiled, from what the
// schema says about records, their texts and pointers; code without a proof runs checked, and Engine says so. It is machine
// code where there is a JIT, which reads Go values in place and calls nothing: it costs a few nanoseconds and no allocation. A
// record must not be changed meanwhile, as with any function that reads it. On other systems, and with Options.Engine or
// Options.Checked, it runs in the sandbox of package skep, on copies. Expressions that cannot be compiled are refused,
// with the place in their text. What the code leaves to others, such as regular expressions on text that is no UTF-8, is
// evaluated in Go, with the same result.
package event

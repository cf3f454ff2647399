package event_test

import (
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/skepbpf/skep/event"
)

// Request is a record of a server's log.
type Request struct {
	Method string
	Path   string
	Status uint16
	Client netip.Addr
	Took   time.Duration
}

var requests = []Request{
	{"GET", "/", 200, netip.MustParseAddr("10.0.0.7"), 3 * time.Millisecond},
	{"POST", "/api/orders", 503, netip.MustParseAddr("192.0.2.1"), 2 * time.Second},
	{"GET", "/api/orders", 200, netip.MustParseAddr("192.0.2.1"), 80 * time.Millisecond},
	{"POST", "/api/orders", 500, netip.MustParseAddr("10.0.0.9"), 90 * time.Millisecond},
}

// parse reads an event filter about requests.
func parse(text string) event.Expr {
	schema, err := event.SchemaFor[Request]()
	if err != nil {
		log.Fatal(err)
	}
	e, err := event.ParseFilter(schema, text, nil)
	if err != nil {
		log.Fatal(err)
	}
	return e
}

// A predicate, in the language of the kernel's event filters, about a Go struct.
func ExampleCompileFor() {
	failed, err := event.CompileFor[Request](parse(`Status >= 500 && Path ~ "/api/*" && !(Client == "10.0.0.0/8")`), nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := range requests {
		if r := &requests[i]; failed.Match(r) {
			fmt.Println(r.Method, r.Path, r.Status)
		}
	}
	// Output:
	// POST /api/orders 503
}

// The same kind of predicate, built by a program.
func ExampleAnd() {
	slow := event.And(
		event.Compare(event.Greater, event.FieldValue("Took"), event.DurationValue(50*time.Millisecond)),
		event.InNet(event.FieldValue("Client"), netip.MustParsePrefix("10.0.0.0/8")),
	)
	p, err := event.CompileFor[Request](slow, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := range requests {
		fmt.Println(p.Match(&requests[i]))
	}
	// Output:
	// false
	// false
	// false
	// true
}

// The first rule that holds, of a set: its tests are shared, however many rules there are.
func ExampleCompileRulesFor() {
	rules, err := event.CompileRulesFor[Request]([]event.Expr{
		parse(`Status >= 500 && Took > 1s`),
		parse(`Status >= 500`),
		parse(`Method == "GET" && Path == "/"`),
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := range requests {
		fmt.Println(rules.Match(&requests[i]))
	}
	// Output:
	// 2
	// 0
	// -1
	// 1
}

// Counts by the values of a field.
func ExampleCompileCounterFor() {
	byMethod, err := event.CompileCounterFor[Request](parse(`Path ~ "/api/*"`), []event.Expr{event.FieldValue("Method")}, 100, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := range requests {
		byMethod.Count(&requests[i])
	}
	for _, c := range byMethod.Counts() {
		fmt.Println(c.Values[0], c.N)
	}
	// Output:
	// POST 2
	// GET 1
}

// Every second record of each method.
func ExampleCompileSamplerFor() {
	sample, err := event.CompileSamplerFor[Request](event.BoolValue(true), 2, []event.Expr{event.FieldValue("Method")}, 100, nil)
	if err != nil {
		log.Fatal(err)
	}
	for i := range requests {
		if r := &requests[i]; sample.Take(r) {
			fmt.Println(r.Method, r.Path)
		}
	}
	// Output:
	// GET /
	// POST /api/orders
}

// Lines of JSON: what the fields are is worked out from some of them.
func ExampleInferLines() {
	text := [][]byte{
		[]byte(`{"level":"info","took":12,"msg":"started"}`),
		[]byte(`{"level":"error","took":900,"msg":"lost the connection"}`),
	}
	lines, err := event.InferLines(event.JSONLines, text)
	if err != nil {
		log.Fatal(err)
	}
	e, err := event.ParseFilter(lines.Schema(), `level == "error" || took > 1000`, nil)
	if err != nil {
		log.Fatal(err)
	}
	p, err := event.Compile(lines.Schema(), e, nil)
	if err != nil {
		log.Fatal(err)
	}
	var rec []byte
	for _, line := range text {
		if rec, err = lines.Record(rec[:0], line); err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.Match(rec))
	}
	// Output:
	// false
	// true
}

// Errors name the byte of the text.
func ExampleError() {
	schema, err := event.SchemaFor[Request]()
	if err != nil {
		log.Fatal(err)
	}
	_, err = event.ParseFilter(schema, `Status >= 500 && Size > 7`, nil)
	fmt.Println(err)
	// Output:
	// at byte 18: records of event_test.Request have no field "Size"; there are Client, Method, Path, Status, Took
}

package cel_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	gocel "cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/skepbpf/skep/event"
	"github.com/skepbpf/skep/event/cel"
)

// request is the record of the contest.
type request struct {
	Method, Path, Host, Agent string
	Status, Port              uint16
	Tenant                    uint32
	Bytes                     int64
	Latency                   float64
	Ratio                     float32
	Took                      time.Duration
	Client                    netip.Addr
	At                        time.Time
	Retry                     bool
	Code                      int8
	User                      struct {
		ID   int64
		Name string
	}
}

var number = regexp.MustCompile(`^/api/v[0-9]+/`)
var since = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
var office, lab = netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")

// predicates are the same in CEL, in the language of expr-lang (where it has them), and in Go.
var predicates = []struct {
	cel, expr string
	plain     func(r *request) bool
}{
	{`Status >= 500u`, `Status >= 500`, func(r *request) bool { return r.Status >= 500 }},
	{`Status == 200u || Status == 404u || Status == 503u`, `Status == 200 || Status == 404 || Status == 503`, func(r *request) bool { return r.Status == 200 || r.Status == 404 || r.Status == 503 }},
	{`Method == "POST" && Bytes > 4096`, `Method == "POST" && Bytes > 4096`, func(r *request) bool { return r.Method == "POST" && r.Bytes > 4096 }},
	{`Method in ["GET", "HEAD", "OPTIONS"]`, `Method in ["GET", "HEAD", "OPTIONS"]`, func(r *request) bool { return r.Method == "GET" || r.Method == "HEAD" || r.Method == "OPTIONS" }},
	{`Path.startsWith("/api/") && !Retry`, `Path startsWith "/api/" && !Retry`, func(r *request) bool { return strings.HasPrefix(r.Path, "/api/") && !r.Retry }},
	{`Path.endsWith(".js") || Path.endsWith(".css")`, `Path endsWith ".js" || Path endsWith ".css"`, func(r *request) bool { return strings.HasSuffix(r.Path, ".js") || strings.HasSuffix(r.Path, ".css") }},
	{`Agent.contains("bot")`, `Agent contains "bot"`, func(r *request) bool { return strings.Contains(r.Agent, "bot") }},
	{`Path.matches("^/api/v[0-9]+/")`, `Path matches "^/api/v[0-9]+/"`, func(r *request) bool { return number.MatchString(r.Path) }},
	{`Latency > 0.25 && Latency < 2.0`, `Latency > 0.25 && Latency < 2.0`, func(r *request) bool { return r.Latency > 0.25 && r.Latency < 2.0 }},
	{`Latency >= 1 || Ratio != 0.5`, `Latency >= 1 || Ratio != 0.5`, func(r *request) bool { return r.Latency >= 1 || r.Ratio != 0.5 }},
	{`Took > duration("250ms")`, `Took > duration("250ms")`, func(r *request) bool { return r.Took > 250*time.Millisecond }},
	{`At >= timestamp("2026-01-01T00:00:00Z") && Status != 200u`, ``, func(r *request) bool { return !r.At.Before(since) && r.Status != 200 }},
	{`cidr("10.0.0.0/8").containsIP(Client)`, ``, func(r *request) bool { return office.Contains(r.Client) }},
	{`cidr("10.0.0.0/8").containsIP(Client) || cidr("2001:db8::/32").containsIP(Client) && Port == 443u`, ``, func(r *request) bool { return office.Contains(r.Client) || lab.Contains(r.Client) && r.Port == 443 }},
	{`Tenant in [3u, 17u, 99u, 1000u, 4242u, 70000u, 1048576u]`, `Tenant in [3, 17, 99, 1000, 4242, 70000, 1048576]`, func(r *request) bool {
		switch r.Tenant {
		case 3, 17, 99, 1000, 4242, 70000, 1048576:
			return true
		}
		return false
	}},
	{`Bytes + User.ID > 1000 && Bytes - User.ID < 5000`, ``, func(r *request) bool {
		sum := r.Bytes + r.User.ID
		if (sum > r.Bytes) != (r.User.ID > 0) {
			return false
		}
		diff := r.Bytes - r.User.ID
		if (diff < r.Bytes) != (r.User.ID > 0) {
			return false
		}
		return sum > 1000 && diff < 5000
	}},
	{`User.Name == "root" || User.ID == 0 || Code < 0`, `User.Name == "root" || User.ID == 0 || Code < 0`, func(r *request) bool { return r.User.Name == "root" || r.User.ID == 0 || r.Code < 0 }},
	{`(Retry ? Status >= 500u : Status >= 400u) && Host != "internal.example.com"`, `(Retry ? Status >= 500 : Status >= 400) && Host != "internal.example.com"`, func(r *request) bool {
		limit := uint16(400)
		if r.Retry {
			limit = 500
		}
		return r.Status >= limit && r.Host != "internal.example.com"
	}},
	{`Method == "GET" && Status == 200u && Path.startsWith("/static/") && Bytes < 65536 && Port in [80u, 443u, 8080u]`, `Method == "GET" && Status == 200 && Path startsWith "/static/" && Bytes < 65536 && Port in [80, 443, 8080]`, func(r *request) bool {
		return r.Method == "GET" && r.Status == 200 && strings.HasPrefix(r.Path, "/static/") && r.Bytes < 65536 && (r.Port == 80 || r.Port == 443 || r.Port == 8080)
	}},
	{`Host == "www.example.com" || Host == "api.example.com" || Host == "cdn.example.com" || Host.endsWith(".internal")`, `Host == "www.example.com" || Host == "api.example.com" || Host == "cdn.example.com" || Host endsWith ".internal"`, func(r *request) bool {
		return r.Host == "www.example.com" || r.Host == "api.example.com" || r.Host == "cdn.example.com" || strings.HasSuffix(r.Host, ".internal")
	}},
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func randomRequest(r *rand.Rand) *request {
	q := &request{
		Method: pick(r, "GET", "POST", "PUT", "HEAD", "OPTIONS", "", "GETX", "POS"),
		Path:   pick(r, "/", "/api/v1/users", "/api/v22/x", "/api/vx/", "/static/app.js", "/static/site.css", "", ".js", "/api/", "/äpi/v1/", "/api/v9"),
		Host:   pick(r, "www.example.com", "api.example.com", "cdn.example.com", "db.internal", "internal.example.com", ".internal", "internal", "wwwxexample.com"),
		Agent:  pick(r, "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "Googlebot/2.1 (+http://www.google.com/bot.html)", "curl/8.5", "", "bo", "bot", "Mozilla/5.0 (compatible; bingbot/2.0)"),
		Status: pick(r, 200, 200, 404, 499, 500, 503, 0, 65535, uint16(r.Uint32())), Port: pick(r, uint16(80), 443, 8080, 22, uint16(r.Uint32())),
		Tenant: pick(r, 3, 17, 4242, 70000, 1048576, 5, r.Uint32(), r.Uint32N(2000)), Bytes: pick(r, 0, 4096, 4097, 65535, 65536, math.MaxInt64, math.MinInt64, r.Int64N(10000), int64(r.Uint64())),
		Latency: pick(r, 0.25, 2, 1, 0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), r.Float64()*3), Ratio: pick(r, 0.5, 0.25, float32(math.NaN()), r.Float32()),
		Took: pick(r, 250*time.Millisecond, 250*time.Millisecond+1, -time.Second, time.Duration(r.Int64N(1e9))), Retry: r.IntN(2) == 0, Code: int8(r.Uint32()),
		Client: pick(r, netip.AddrFrom4([4]byte{10, 1, 2, byte(r.Uint32())}), netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db9::7"), netip.AddrFrom4([4]byte{byte(r.Uint32()), 2, 3, 4})),
		At:     pick(r, since, since.Add(-1), since.Add(1), time.Now(), time.Date(1800, 2, 3, 4, 5, 6, 7, time.UTC), time.Date(9000, 2, 3, 4, 5, 6, 7, time.UTC)),
	}
	q.User.ID, q.User.Name = pick(r, 0, 1, math.MaxInt64, math.MinInt64, r.Int64N(5000)), pick(r, "root", "rooty", "roo", "alice", "")
	return q
}

// activation is a request as cel-go takes it.
func activation(q *request) map[string]any {
	return map[string]any{"Method": q.Method, "Path": q.Path, "Host": q.Host, "Agent": q.Agent, "Status": uint64(q.Status), "Port": uint64(q.Port), "Tenant": uint64(q.Tenant),
		"Bytes": q.Bytes, "Latency": q.Latency, "Ratio": float64(q.Ratio), "Took": q.Took, "Client": ext.IP{Addr: q.Client}, "At": q.At, "Retry": q.Retry, "Code": int64(q.Code),
		"User.ID": q.User.ID, "User.Name": q.User.Name}
}

type contestant struct {
	skep *event.Func[request]
	cel  gocel.Program
	expr *vm.Program
}

func contestants(t testing.TB) []contestant {
	s, err := event.SchemaFor[request]()
	if err != nil {
		t.Fatal(err)
	}
	env, err := cel.Env(s)
	if err != nil {
		t.Fatal(err)
	}
	var out []contestant
	for _, p := range predicates {
		var c contestant
		if c.skep, err = cel.Compile[request](p.cel, nil); err != nil {
			t.Fatalf("%s: %v", p.cel, err)
		}
		checked, issues := env.Compile(p.cel)
		if issues.Err() != nil {
			t.Fatal(issues.Err())
		}
		if c.cel, err = env.Program(checked, gocel.EvalOptions(gocel.OptOptimize)); err != nil {
			t.Fatal(err)
		}
		if p.expr != "" {
			if c.expr, err = expr.Compile(p.expr, expr.Env(request{}), expr.AsBool()); err != nil {
				t.Fatalf("%s: %v", p.expr, err)
			}
		}
		out = append(out, c)
	}
	return out
}

// TestContest compares the four on random requests: a million with SKEP_CONTEST=1.
func TestContest(t *testing.T) {
	n := 5000
	if os.Getenv("SKEP_CONTEST") != "" {
		n = 1_000_000
	}
	r := rand.New(rand.NewPCG(20, 26))
	list := contestants(t)
	machine := vm.VM{}
	yes := 0
	for range n {
		q := randomRequest(r)
		a := activation(q)
		for i, p := range predicates {
			want := p.plain(q)
			if want {
				yes++
			}
			if got := list[i].skep.Match(q); got != want {
				t.Fatalf("%s: skep says %v of %+v", p.cel, got, q)
			}
			v, _, err := list[i].cel.Eval(a)
			if got := err == nil && v.Value() == true; got != want {
				t.Fatalf("%s: cel-go says %v (%v) of %+v", p.cel, v, err, q)
			}
			if outcome := list[i].skep.Eval(q); (outcome == event.NoValue) != (err != nil) {
				t.Fatalf("%s: skep says %v, cel-go's error is %v, of %+v", p.cel, outcome, err, q)
			}
			if list[i].expr != nil {
				v, err := machine.Run(list[i].expr, q)
				if err != nil || v != want {
					t.Fatalf("%s: expr-lang says %v (%v) of %+v", p.expr, v, err, q)
				}
			}
		}
	}
	t.Logf("%d requests, %d predicates, true %d times", n, len(predicates), yes)
}

// TestContestTimes prints a table of times, with SKEP_CONTEST=1.
func TestContestTimes(t *testing.T) {
	if os.Getenv("SKEP_CONTEST") == "" {
		t.Skip("SKEP_CONTEST is not set")
	}
	r := rand.New(rand.NewPCG(1, 1))
	var records []*request
	var maps []map[string]any
	for range 1024 {
		q := randomRequest(r)
		records, maps = append(records, q), append(maps, activation(q))
	}
	list := contestants(t)
	machine := vm.VM{}
	var b strings.Builder
	fmt.Fprintf(&b, "%-60s %9s %9s %9s %9s\n", "ns a record", "skep", "go", "cel-go", "expr-lang")
	ratios := make([]float64, 3)
	counts := make([]int, 3)
	for i, p := range predicates {
		c := list[i]
		time := func(f func(n int)) float64 {
			best := math.Inf(1)
			for range 5 {
				r := testing.Benchmark(func(b *testing.B) {
					for n := range b.N {
						f(n & 1023)
					}
				})
				best = min(best, float64(r.T.Nanoseconds())/float64(r.N))
			}
			return best
		}
		var times [4]float64
		times[0] = time(func(n int) { sink = c.skep.Match(records[n]) })
		times[1] = time(func(n int) { sink = p.plain(records[n]) })
		times[2] = time(func(n int) { _, _, _ = c.cel.Eval(maps[n]) })
		if c.expr != nil {
			times[3] = time(func(n int) { _, _ = machine.Run(c.expr, records[n]) })
		}
		for k := range ratios {
			if times[k+1] > 0 {
				ratios[k] += math.Log(times[k+1] / times[0])
				counts[k]++
			}
		}
		fmt.Fprintf(&b, "%-60.60s %9.2f %9.2f %9.1f %9.1f\n", p.cel, times[0], times[1], times[2], times[3])
	}
	fmt.Fprintf(&b, "%-60s %9s", "times that of skep, geometric mean", "1")
	for k := range ratios {
		fmt.Fprintf(&b, " %8.2fx", math.Exp(ratios[k]/float64(counts[k])))
	}
	t.Log("\n" + b.String())
	if n := testing.AllocsPerRun(100, func() {
		for _, c := range list {
			sink = c.skep.Match(records[0])
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

var sink bool

// TestRefused has what is not in the subset, and where errors are.
func TestRefused(t *testing.T) {
	s, err := event.SchemaFor[request]()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		`Status ==`:                            "at byte 10",
		`Nothing == 1`:                         "at byte 1",
		`Status == "x"`:                        "at byte 8",
		`Path + "x" == "y"`:                    "at byte 6: + of string and string",
		`Latency + 1.0 > 2.0`:                  "at byte 9: + of double and double",
		`Path == "ä" && Path.startsWith(Host)`: "at byte 33: startsWith needs a constant",
		`[1, 2].exists(x, x == Status)`:        "at byte",
		`Path.matches("\\bx")`:                 "at byte",
		`Status in [200u, Port]`:               "at byte 18: in needs constants",
		`{"a": 1}.a == 1`:                      "at byte",
		`size(Path)`:                           "must be true or false",
		`has(Method.x)`:                        "no field",
		`Took + duration("x") > Took`:          "at byte",
		``:                                     "Syntax error",
	} {
		e, err := cel.Parse(s, text)
		if err == nil {
			_, err = event.Compile(s, e, nil)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

type optional struct {
	P    *int64
	Name *string
	In   *struct{ N uint8 }
}

func TestHas(t *testing.T) {
	n, name := int64(5), "x"
	full := &optional{&n, &name, &struct{ N uint8 }{7}}
	for text, want := range map[string][2]event.Outcome{
		`has(P) && P == 5`: {event.True, event.False}, `P == 5`: {event.True, event.NoValue}, `P == 5 || !has(In.N)`: {event.True, event.True},
		`In.N == 7u && size(Name) == 1`: {event.True, event.NoValue}, `has(Name) ? Name == "y" : true`: {event.False, event.True}, `int(In.N) - 8 < 0`: {event.True, event.NoValue},
		`uint(P) == 5u && -P == -5`: {event.True, event.NoValue},
	} {
		f, err := cel.Compile[optional](text, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := [2]event.Outcome{f.Eval(full), f.Eval(&optional{})}; got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	s, err := event.SchemaFor[request]()
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range predicates {
		f.Add(p.cel)
	}
	q := randomRequest(rand.New(rand.NewPCG(1, 1)))
	f.Fuzz(func(t *testing.T, text string) {
		e, err := cel.Parse(s, text)
		if err != nil || strings.Count(text, "(") > 50 {
			return
		}
		p, err := event.CompileFor[request](e, nil)
		if err != nil {
			return
		}
		checked, err := event.CompileFor[request](e, &event.Options{Checked: true})
		if err != nil {
			t.Fatal(err)
		}
		if p.Eval(q) != checked.Eval(q) {
			t.Errorf("%q: %v and %v", text, p.Eval(q), checked.Eval(q))
		}
	})
}

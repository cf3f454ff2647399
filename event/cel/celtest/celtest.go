// Package celtest has predicates in CEL and by hand, and random records for them, for tests and measurements.
package celtest

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"cel.dev/cel-go/ext"
)

// Request is the record that the predicates are about.
type Request struct {
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

// Predicate is a test of requests, in CEL and by hand.
type Predicate struct {
	CEL string
	Go  func(r *Request) bool
}

// Predicates are realistic tests: what has no value, as a sum that overflows, is false by hand.
var Predicates = []*Predicate{
	{`Status >= 500u`, func(r *Request) bool { return r.Status >= 500 }},
	{`Status == 200u || Status == 404u || Status == 503u`, func(r *Request) bool { return r.Status == 200 || r.Status == 404 || r.Status == 503 }},
	{`Method == "POST" && Bytes > 4096`, func(r *Request) bool { return r.Method == "POST" && r.Bytes > 4096 }},
	{`Method in ["GET", "HEAD", "OPTIONS"]`, func(r *Request) bool { return r.Method == "GET" || r.Method == "HEAD" || r.Method == "OPTIONS" }},
	{`Path.startsWith("/api/") && !Retry`, func(r *Request) bool { return strings.HasPrefix(r.Path, "/api/") && !r.Retry }},
	{`Path.endsWith(".js") || Path.endsWith(".css")`, func(r *Request) bool { return strings.HasSuffix(r.Path, ".js") || strings.HasSuffix(r.Path, ".css") }},
	{`Agent.contains("bot")`, func(r *Request) bool { return strings.Contains(r.Agent, "bot") }},
	{`Path.matches("^/api/v[0-9]+/")`, func(r *Request) bool { return number.MatchString(r.Path) }},
	{`Latency > 0.25 && Latency < 2.0`, func(r *Request) bool { return r.Latency > 0.25 && r.Latency < 2.0 }},
	{`Latency >= 1 || Ratio != 0.5`, func(r *Request) bool { return r.Latency >= 1 || r.Ratio != 0.5 }},
	{`Took > duration("250ms")`, func(r *Request) bool { return r.Took > 250*time.Millisecond }},
	{`At >= timestamp("2026-01-01T00:00:00Z") && Status != 200u`, func(r *Request) bool { return !r.At.Before(since) && r.Status != 200 }},
	{`cidr("10.0.0.0/8").containsIP(Client)`, func(r *Request) bool { return office.Contains(r.Client) }},
	{`cidr("10.0.0.0/8").containsIP(Client) || cidr("2001:db8::/32").containsIP(Client) && Port == 443u`, func(r *Request) bool { return office.Contains(r.Client) || lab.Contains(r.Client) && r.Port == 443 }},
	{`Tenant in [3u, 17u, 99u, 1000u, 4242u, 70000u, 1048576u]`, func(r *Request) bool {
		switch r.Tenant {
		case 3, 17, 99, 1000, 4242, 70000, 1048576:
			return true
		}
		return false
	}},
	{`Bytes + User.ID > 1000 && Bytes - User.ID < 5000`, func(r *Request) bool {
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
	{`User.Name == "root" || User.ID == 0 || Code < 0`, func(r *Request) bool { return r.User.Name == "root" || r.User.ID == 0 || r.Code < 0 }},
	{`(Retry ? Status >= 500u : Status >= 400u) && Host != "internal.example.com"`, func(r *Request) bool {
		limit := uint16(400)
		if r.Retry {
			limit = 500
		}
		return r.Status >= limit && r.Host != "internal.example.com"
	}},
	{`Method == "GET" && Status == 200u && Path.startsWith("/static/") && Bytes < 65536 && Port in [80u, 443u, 8080u]`, func(r *Request) bool {
		return r.Method == "GET" && r.Status == 200 && strings.HasPrefix(r.Path, "/static/") && r.Bytes < 65536 && (r.Port == 80 || r.Port == 443 || r.Port == 8080)
	}},
	{`Host == "www.example.com" || Host == "api.example.com" || Host == "cdn.example.com" || Host.endsWith(".internal")`, func(r *Request) bool {
		return r.Host == "www.example.com" || r.Host == "api.example.com" || r.Host == "cdn.example.com" || strings.HasSuffix(r.Host, ".internal")
	}},
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// Random returns a request with values that are likely to be near what predicates ask for.
func Random(r *rand.Rand) *Request {
	q := &Request{
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

// Variables is a request as cel-go takes it.
func Variables(q *Request) map[string]any {
	return map[string]any{"Method": q.Method, "Path": q.Path, "Host": q.Host, "Agent": q.Agent, "Status": uint64(q.Status), "Port": uint64(q.Port), "Tenant": uint64(q.Tenant),
		"Bytes": q.Bytes, "Latency": q.Latency, "Ratio": float64(q.Ratio), "Took": q.Took, "Client": ext.IP{Addr: q.Client}, "At": q.At, "Retry": q.Retry, "Code": int64(q.Code),
		"User.ID": q.User.ID, "User.Name": q.User.Name}
}

package event

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/skepbpf/skep"
)

// inner and record have fields of every kind.
type inner struct {
	Code int16
	Name string
	Next *inner
}

type record struct {
	B    bool
	I8   int8
	I16  int16
	I32  int32
	I64  int64
	U8   uint8
	U16  uint16
	U32  uint32
	U64  uint64
	F32  float32
	F64  float64
	F64b float64
	S    string
	S2   string
	Data []byte
	Arr  [6]byte
	A    netip.Addr
	A2   netip.Addr
	N    net.IP
	A4   struct {
		Raw [4]byte
	}
	T   time.Time
	T2  time.Time
	D   time.Duration
	D2  time.Duration
	P   *int32
	In  inner
	Ptr *inner
	Fn  func()
	Any any
}

var (
	someInts   = []int64{0, 1, -1, 2, 7, 100, 127, 128, -128, 255, 256, 32767, -32768, 65535, 1 << 31, 1<<31 - 1, -1 << 31, 1<<32 - 1, 1 << 53, 1<<53 + 1, math.MaxInt64, math.MinInt64}
	someFloats = []float64{0, math.Copysign(0, -1), 1, -1, 0.5, 1.5, -2.25, 100, 1e300, -1e300, 1e-310, math.MaxFloat32, math.SmallestNonzeroFloat32, math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(math.NaN(), -1), 1 << 53, 16777217, 0.1}
	someTexts  = []string{"", "a", "ab", "abc", "abcd", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklmnopq", "GET", "POST", "/api/v1/users", "/api/v1/users/12", "nginx", "nginx: worker", "é", "héllo wörld", "\xff\xfe", "a\x00b", "zzz", "aaaaaaaaaaaaaaaab", "foo.bar.example.com"}
	someAddrs  = []string{"0.0.0.0", "10.0.0.1", "10.1.2.3", "192.168.1.7", "255.255.255.255", "::", "::1", "2001:db8::1", "2001:db8:0:1::5", "fe80::1", "::ffff:10.0.0.1", "::fffe:ffff:ffff", "::1:0:0:0"}
	someNets   = []string{"10.0.0.0/8", "10.0.0.1/32", "192.168.0.0/16", "0.0.0.0/0", "::/0", "::/8", "2001:db8::/32", "2001:db8::/64", "2001:db8::/96", "fe80::/10", "::1/128", "::ffff:10.0.0.0/104", "::/90"}
	someTimes  = []time.Time{{}, time.Unix(0, 0), time.Unix(1700000000, 5), time.Unix(1700000000, 0), time.Date(9999, 1, 1, 0, 0, 0, 999, time.UTC), time.Unix(-1, 1), time.Date(1884, 1, 1, 1, 1, 1, 1, time.UTC), time.Date(1900, 1, 1, 1, 1, 1, 1, time.UTC)}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func randomInt(r *rand.Rand) int64 {
	switch r.IntN(4) {
	case 0:
		return int64(r.Uint64() >> r.IntN(64))
	case 1:
		return int64(r.IntN(20)) - 5
	}
	return pick(r, someInts) + int64(r.IntN(3)) - 1
}

func randomFloat(r *rand.Rand) float64 {
	switch r.IntN(4) {
	case 0:
		return math.Float64frombits(r.Uint64())
	case 1:
		return float64(randomInt(r))
	}
	return pick(r, someFloats)
}

func randomText(r *rand.Rand) string {
	if r.IntN(4) == 0 {
		return pick(r, someTexts) + pick(r, someTexts)
	}
	return pick(r, someTexts)
}

func randomTime(r *rand.Rand) time.Time {
	switch r.IntN(4) {
	case 0:
		return time.Now() // with a monotonic clock
	case 1:
		return time.Unix(r.Int64N(1<<31), int64(r.IntN(1e9)))
	}
	return pick(r, someTimes)
}

func randomAddr(r *rand.Rand) netip.Addr {
	if r.IntN(6) == 0 {
		return netip.Addr{}
	}
	a := netip.MustParseAddr(pick(r, someAddrs))
	if r.IntN(8) == 0 && a.Is6() {
		a = a.WithZone("eth0")
	}
	return a
}

func randomRecord(r *rand.Rand) *record {
	x := &record{B: r.IntN(2) == 0, I8: int8(randomInt(r)), I16: int16(randomInt(r)), I32: int32(randomInt(r)), I64: randomInt(r),
		U8: uint8(randomInt(r)), U16: uint16(randomInt(r)), U32: uint32(randomInt(r)), U64: uint64(randomInt(r)),
		F32: float32(randomFloat(r)), F64: randomFloat(r), F64b: randomFloat(r), S: randomText(r), S2: randomText(r), Data: []byte(randomText(r)),
		A: randomAddr(r), A2: randomAddr(r), T: randomTime(r), T2: randomTime(r), D: time.Duration(randomInt(r)), D2: time.Duration(randomInt(r))}
	copy(x.Arr[:], randomText(r))
	copy(x.A4.Raw[:], netip.MustParseAddr("10.0.0.1").AsSlice())
	if a := randomAddr(r); a.IsValid() {
		x.N = net.IP(a.AsSlice())
	} else if r.IntN(2) == 0 {
		x.N = net.IP{1, 2, 3}
	}
	x.In = inner{int16(randomInt(r)), randomText(r), nil}
	if r.IntN(2) == 0 {
		v := int32(randomInt(r))
		x.P = &v
	}
	if r.IntN(3) > 0 {
		x.Ptr = &inner{int16(randomInt(r)), randomText(r), nil}
	}
	return x
}

var byKind = map[Kind][]string{
	Bool: {"B"}, Int: {"I8", "I16", "I32", "I64", "P", "In.Code", "Ptr.Code"}, Uint: {"U8", "U16", "U32", "U64"},
	Float: {"F32", "F64", "F64b"}, String: {"S", "S2", "In.Name", "Ptr.Name"}, Bytes: {"Data", "Arr", "A4.Raw"}, IP: {"A", "A2", "N"},
	Time: {"T", "T2"}, Duration: {"D", "D2"},
}

func randomField(r *rand.Rand, k Kind) Expr { return FieldValue(pick(r, byKind[k])) }

func randomConst(r *rand.Rand, k Kind) Expr {
	switch k {
	case Bool:
		return BoolValue(r.IntN(2) == 0)
	case Int:
		return IntValue(randomInt(r))
	case Uint:
		return UintValue(uint64(randomInt(r)))
	case Float:
		return FloatValue(randomFloat(r))
	case String:
		return StringValue(randomText(r))
	case Bytes:
		return BytesValue([]byte(randomText(r)))
	case IP:
		return AddrValue(netip.MustParseAddr(pick(r, someAddrs)))
	case Time:
		return TimeValue(randomTime(r))
	}
	return DurationValue(time.Duration(randomInt(r)))
}

func randomNumber(r *rand.Rand, k Kind, depth int) Expr {
	switch n := r.IntN(10); {
	case depth <= 0 || n < 5:
		return randomField(r, k)
	case n == 5 && k == Int:
		return Len(randomField(r, pick(r, []Kind{String, Bytes})))
	case n == 6 && k == Int:
		return Runes(randomField(r, String))
	case n == 8 && k == Uint:
		return Log2(randomField(r, pick(r, []Kind{Int, Uint, Duration})))
	case n == 7 && k != Duration:
		return Convert(k, randomNumber(r, pick(r, []Kind{Int, Uint}), depth-1))
	}
	op := Arithmetic(r.IntN(8))
	if k == Duration {
		op %= 2
	}
	y := randomConst(r, k)
	if r.IntN(2) == 0 {
		y = randomNumber(r, k, depth-1)
	}
	return Calc(op, randomNumber(r, k, depth-1), y)
}

func randomTest(r *rand.Rand) Expr {
	k := Kind(1 + r.IntN(int(Time)))
	cmp := Comparison(r.IntN(6))
	switch r.IntN(8) {
	case 0:
		text := randomText(r)
		e := randomField(r, pick(r, []Kind{String, Bytes}))
		return pick(r, []Expr{HasPrefix(e, text), HasSuffix(e, text), Contains(e, text), Contains(e, "b"), Glob(e, "*a*b*"), Glob(e, "[a-m]*"), Glob(e, "/api/*"), Glob(e, "*x"), Glob(e, "abc"),
			Match(e, "^/api/v[0-9]+/"), Match(e, "a+b"), Match(e, "(?i)POST|GET"), Match(e, "h.llo"), Match(e, "[^a-z]$")})
	case 1:
		return Has(pick(r, []string{"P", "Ptr.Code", "Ptr.Name", "A", "N", "S", "In.Name", "B"}))
	case 2:
		k = pick(r, []Kind{Int, Uint, String, Bytes, IP, Duration, Float, Time})
		var list []Expr
		for range r.IntN(30) {
			list = append(list, randomConst(r, k))
		}
		return In(randomField(r, k), list...)
	case 3:
		var nets []netip.Prefix
		for range 1 + r.IntN(4) {
			nets = append(nets, netip.MustParsePrefix(pick(r, someNets)))
		}
		return InNet(randomField(r, IP), nets...)
	case 4:
		// Numbers of different kinds.
		return Compare(cmp, randomNumber(r, pick(r, []Kind{Int, Uint}), 2), randomNumber(r, pick(r, []Kind{Int, Uint}), 1))
	case 5:
		return Compare(cmp, randomField(r, pick(r, []Kind{Int, Uint, Float})), randomConst(r, pick(r, []Kind{Int, Uint, Float})))
	}
	if (k == Bool || k == IP) && cmp > NotEqual {
		cmp = Equal
	}
	y := randomConst(r, k)
	if r.IntN(3) == 0 {
		if y = randomField(r, k); k == Float {
			return Compare(cmp, FieldValue("F64"), FieldValue("F64b"))
		}
	}
	x := randomField(r, k)
	if k == Int || k == Uint || k == Duration {
		x = randomNumber(r, k, 3)
	}
	return Compare(cmp, x, y)
}

func randomExpr(r *rand.Rand, depth int) Expr {
	if depth <= 0 {
		return randomTest(r)
	}
	sub := func() Expr { return randomExpr(r, depth-1) }
	switch r.IntN(8) {
	case 0, 1, 2:
		return And(sub(), sub(), sub())
	case 3, 4:
		return Or(sub(), sub())
	case 5:
		return Not(sub())
	case 6:
		return If(sub(), sub(), sub())
	}
	return randomTest(r)
}

// TestRandom evaluates random expressions of random records by all engines and in plain Go.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	counts := map[Outcome]int{}
	refused := 0
	for n := range rounds {
		e := randomExpr(r, n%4)
		opts := []Options{{}, {Checked: true}, {Engine: skep.EngineInterp}}
		var fs []*Func[record]
		for i := range opts {
			f, err := CompileFor[record](e, &opts[i])
			if err != nil {
				refused++
				break
			}
			fs = append(fs, f)
		}
		if len(fs) < len(opts) {
			continue
		}
		for range 60 {
			x := randomRecord(r)
			want := reference(fs[0].root, x)
			counts[want]++
			for i, f := range fs {
				if got := f.Eval(x); got != want {
					t.Fatalf("expression %d, options %+v: %v, want %v, of %s\n%+v", n, opts[i], got, want, f.root, x)
				}
				if got := f.Match(x); got != (want == True) {
					t.Fatalf("expression %d, options %+v: match %v, want %v, of %s\n%+v", n, opts[i], got, want, f.root, x)
				}
			}
		}
	}
	t.Logf("%v, %d refused", counts, refused)
	if refused > rounds/20 {
		t.Errorf("%d of %d expressions refused", refused, rounds)
	}
}

// String shows a bound expression.
func (n *node) String() string {
	names := [...]string{"const", "field", "!", "&&", "||", "?:", "cmp", "calc", "len", "runes", "prefix", "suffix", "contains", "pattern", "in", "net", "has", "convert", "log2"}
	switch n.op {
	case opConst:
		return n.val.kind.String() + "(" + n.val.String() + ")"
	case opField:
		return n.name
	}
	s := "(" + names[n.op]
	switch n.op {
	case opCompare:
		s += n.cmp.String()
	case opArith:
		s += n.arith.String()
	case opHas:
		s += " " + n.name
	case opPrefix, opSuffix, opContains, opAutomaton:
		s += fmt.Sprintf(" %q", n.text)
	case opNet:
		s += fmt.Sprint(n.nets)
	case opIn:
		for i := range n.list {
			s += " " + n.list[i].String()
		}
	case opConvert:
		s += n.kind.String()
	}
	for _, a := range n.args {
		s += " " + a.String()
	}
	return s + ")"
}

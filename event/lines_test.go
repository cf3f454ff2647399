package event

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestLines(t *testing.T) {
	lines := []string{
		`{"status":200,"path":"/a\u00e9\ud83d\ude00\n","took":1.5,"ok":true,"nested":{"status":[1,"}"]},"none":null}`,
		`{"status":-7,"path":"/b","took":2}`,
		` {} `,
	}
	var sample [][]byte
	for _, l := range lines {
		sample = append(sample, []byte(l))
	}
	l, err := InferLines(JSONLines, sample)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][3]Outcome{
		`status == 200`: {True, False, NoValue}, `path == "/aé😀` + "\n" + `"`: {True, False, NoValue}, `took > 1.6`: {False, True, NoValue},
		`ok`: {True, NoValue, NoValue}, `status < 0 || path ~ "/a*"`: {True, True, NoValue},
	} {
		e, err := ParseFilter(l.Schema(), text, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := Compile(l.Schema(), e, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range sample {
			rec, err := l.Record(nil, line)
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Eval(rec); got != want[i] {
				t.Errorf("%s: %v of %s, want %v", text, got, line, want[i])
			}
		}
	}
	for text, want := range map[string]string{
		``: "at byte 1: an object", `{"a":}`: "at byte 6: a value", `{"a":1`: "at byte 7: a , or }", `{"a":01}`: "at byte 6: a value", `{"a":"x}`: "ends in a text",
		`{"a":[1}`: "at byte 6: a value", `{"a":1}x`: "more behind", `{"a":"\x"}`: `unknown escape \x`, `{a:1}`: "in quotes", `{"a":[1,]}`: "a value of JSON",
	} {
		_, err := l.Record(nil, []byte(text))
		ok := false
		for _, w := range strings.Split(want, "|") {
			ok = ok || err != nil && strings.Contains(err.Error(), w)
		}
		if !ok {
			t.Errorf("%s: error %v, want %s", text, err, want)
		}
	}
}

func TestLogfmt(t *testing.T) {
	l, err := NewLines(Logfmt, Field{Name: "client", Kind: IP}, Field{Name: "took", Kind: Duration}, Field{Name: "at", Kind: Time},
		Field{Name: "n", Kind: Uint}, Field{Name: "msg", Kind: String}, Field{Name: "flag", Kind: Bool})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := l.Record(nil, []byte(`client=10.1.2.3 took=250ms at=2026-01-02T03:04:05Z n=18446744073709551615 msg="two \"words\"" flag`))
	if err != nil {
		t.Fatal(err)
	}
	e := And(InNet(FieldValue("client"), netip.MustParsePrefix("10.0.0.0/8")), Compare(Equal, FieldValue("took"), DurationValue(250*time.Millisecond)),
		Compare(Greater, FieldValue("at"), TimeValue(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))), Compare(Equal, FieldValue("n"), UintValue(1<<64-1)),
		Compare(Equal, FieldValue("msg"), StringValue(`two "words"`)), FieldValue("flag"))
	p, err := Compile(l.Schema(), e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Eval(rec); got != True {
		t.Error(got)
	}
	buf := make([]byte, 0, 1000)
	line := []byte(`client=10.1.2.3 n=5 msg=x`)
	if n := testing.AllocsPerRun(100, func() { _, _ = l.Record(buf, line) }); n > 3 {
		t.Errorf("%v allocations a record", n)
	}
}

func FuzzLines(f *testing.F) {
	f.Add(`{"a":1,"b":"x\u0041","c":[{"d":1}],"e":1e5,"f":true}`)
	f.Add(`a=1 b="x" c`)
	fields := []Field{{Name: "a", Kind: Int}, {Name: "b", Kind: String}, {Name: "e", Kind: Float}, {Name: "f", Kind: Bool}, {Name: "c", Kind: IP}}
	j, err := NewLines(JSONLines, fields...)
	if err != nil {
		f.Fatal(err)
	}
	l, _ := NewLines(Logfmt, fields...)
	f.Fuzz(func(t *testing.T, line string) {
		_, _ = l.Record(nil, []byte(line))
		rec, err := j.Record(nil, []byte(line))
		var v map[string]any
		if valid := json.Unmarshal([]byte(line), &v) == nil && v != nil; valid != (err == nil) {
			t.Fatalf("%q: error %v", line, err)
		}
		if err != nil {
			return
		}
		b, isText := v["b"].(string)
		got, ok := (&evaluator{j.schema, rec}).field(&j.schema.Fields[1])
		if isText && strings.ToValidUTF8(got.s, "\ufffd") != strings.ToValidUTF8(b, "\ufffd") && strings.Count(line, `"b"`) == 1 && !strings.ContainsRune(b, '\ufffd') || isText && !ok {
			t.Fatalf("%q: %q, want %q", line, got.s, b)
		}
	})
}

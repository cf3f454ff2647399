package event

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

const formatText = `name: sched_switch
ID: 372
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:char prev_comm[16];	offset:8;	size:16;	signed:0;
	field:unsigned char flags;	offset:24;	size:1;	signed:0;
	field:signed char s8;	offset:25;	size:1;	signed:1;
	field:__data_loc char[] name;	offset:28;	size:4;	signed:0;
	field:__rel_loc char[] rel;	offset:32;	size:4;	signed:0;
	field:__data_loc unsigned long[] cpus;	offset:36;	size:4;	signed:0;
	field:const char * path;	offset:40;	size:8;	signed:0;
	field:void * ip;	offset:48;	size:8;	signed:0;
	field:unsigned long args[6];	offset:56;	size:48;	signed:0;

print fmt: "x"
`

// event of formatText, with its dynamic texts.
func kernelRecord(comm string, pid int32, name, rel string, ip uint64) []byte {
	b := make([]byte, 104)
	b[4], b[5], b[6], b[7] = byte(pid), byte(pid>>8), byte(pid>>16), byte(pid>>24)
	copy(b[8:24], comm)
	b[24], b[25] = 0x81, 0xff
	put := func(at, from int, s string) {
		b[at], b[at+1], b[at+2] = byte(len(b)-from), byte((len(b)-from)>>8), byte(len(s)+1)
		b = append(append(b, s...), 0)
	}
	put(28, 0, name)
	put(32, 36, rel)
	for i := range 8 {
		b[48+i] = byte(ip >> (8 * i))
	}
	return b
}

func TestFormat(t *testing.T) {
	f, err := ParseFormat(formatText)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "sched_switch" || f.ID != 372 || f.Size != 104 {
		t.Errorf("%+v", f)
	}
	rec := kernelRecord("nginx", 42, "file.txt", "relative", 0xffffffff81000010)
	opts := &FilterOptions{Function: func(name string) (uint64, uint64, bool) {
		return 0xffffffff81000000, 0xffffffff81000100, name == "schedule"
	}}
	for text, want := range map[string]Outcome{
		`prev_comm == "nginx"`:                                       True,
		`prev_comm ~ "ng*" && common_pid == 42`:                      True,
		`common_pid & 1 || name == "file.txt"`:                       True,
		`name ~ "*.txt" && rel == "relative"`:                        True,
		`rel.ustring ~ "rel*"`:                                       True,
		`rel != 'relative'`:                                          False,
		`flags == 0x181`:                                             True, // in the size of the field
		`s8 < 0 && s8 == 255 && s8 & 0x80`:                           True,
		`ip.function == "schedule"`:                                  True,
		`ip.function != schedule`:                                    False,
		`!(common_pid>=41&&common_pid<=43)`:                          False,
		`flags == CPUS{129}`:                                         True,
		`flags & CPUS{0-3,127-130}`:                                  True,
		`flags == CPUS{129,130}`:                                     False,
		`! common_pid == 41 && (((common_pid == 42)))`:               True,
		`common_pid == 41 || common_pid == 42 && flags == 0`:         False,
		`common_pid == 42 || common_pid == 41 && flags == 0`:         True,
		`prev_comm == "nginx" || common_pid == 1 && common_pid == 2`: True,
	} {
		e, err := ParseFilter(f.Schema, text, opts)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		p, err := Compile(f.Schema, e, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := p.Eval(rec); got != want {
			t.Errorf("%s: %v", text, got)
		}
		for n := range rec {
			if got, want := p.Eval(rec[:n]), evaluate(f.Schema, p.root, rec[:n]); got != want {
				t.Errorf("%s: %v of the first %d bytes, want %v", text, got, n, want)
			}
		}
	}
	for text, want := range map[string]string{
		`pid == 1`:                      `at byte 1: records of sched_switch have no field "pid"; there are common_pid`,
		`common_pid == 42 && cpus & 1`:  `at byte 21: field "cpus" cannot be used: it is an array of unsigned long`,
		`path == "x"`:                   `the address of a text (const char *), and the text is not in the record`,
		`ip.ustring == "x"`:             `the text that field "ip" points to is not in the record`,
		`args == 1`:                     `an array`,
		`common_pid ~ "1"`:              `at byte 12: ~ is for texts`,
		`prev_comm < "a"`:               `at byte 11: < is not for texts`,
		`prev_comm == nginx`:            `at byte 14: field "prev_comm" is a text, and "nginx" has no quotes`,
		`common_pid == "1"`:             `at byte 15: "1" is a text`,
		`common_pid == x1`:              `at byte 15: "x1" is no value`,
		`flags == -1`:                   `"-1" is no value`,
		`(common_pid == 1`:              `at byte 17: there is no ) for the ( at byte 1`,
		`common_pid == 1)`:              `at byte 16: ")" is more than a filter`,
		`common_pid == `:                `a value was expected`,
		`common_pid 1`:                  `an operator was expected`,
		``:                              `at byte 1: a field was expected`,
		`prev_comm == "x`:               `there is no second "`,
		`flags & CPUS{0-`:               `no } for CPUS{`,
		`flags & CPUS{9999999}`:         `no list of processors`,
		`ip.function == "nowhere"`:      `there is no function "nowhere"`,
		`flags.function == "schedule"`:  `is no address of a function`,
		strings.Repeat("(", 1000) + "1": `inside each other`,
		strings.Repeat("!", 100000):     `inside each other`,
	} {
		_, err := ParseFilter(f.Schema, text, opts)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: error %v, want %s", text, err, want)
		}
	}
}

func TestFilterOfStructs(t *testing.T) {
	s, err := SchemaFor[record]()
	if err != nil {
		t.Fatal(err)
	}
	x := &record{B: true, U16: 443, F32: 1.5, S: "GET", A: netip.MustParseAddr("10.1.2.3"), D: 300 * time.Millisecond, Data: []byte("abc"),
		T: time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC), Ptr: &inner{Name: "inside"}, I64: -5}
	for text, want := range map[string]Outcome{
		`B && U16 == 443`: True, `B == false`: False, `F32 > 1.4e0 && F32 < +1.6`: True, `S == "GET" || S ~ "P*"`: True,
		`A == "10.0.0.0/8"`: True, `A != "10.1.2.3"`: False, `D >= 250ms`: True, `D == 300000000`: True, `Data ~ "a?c"`: True,
		`T > "2026-01-01T00:00:00Z"`: True, `Ptr.Name == "inside" && Ptr.Next.Name == ""`: NoValue, `P == 1 || B`: True, `P == 1 && !B`: False,
		`I64 == 18446744073709551611`: False, `I64 & 0xfffffffffffffff0`: True, `U16 > -1`: True, `U16 == 65979`: False,
	} {
		e, err := ParseFilter(s, text, nil)
		if err != nil {
			if text != `Ptr.Next.Name == ""` && !strings.Contains(text, "Next") {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		f, err := CompileFor[record](e, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Eval(x); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	format, err := ParseFormat(formatText)
	if err != nil {
		f.Fatal(err)
	}
	rec := kernelRecord("nginx", 42, "file.txt", "relative", 7)
	for _, text := range []string{`prev_comm == "nginx" && !(common_pid & 3)`, `name ~ "*.t[a-z]t" || rel ~ '?e*'`, "flags & CPUS{1-3}", `s8 >= -0x10`} {
		f.Add(text, rec)
	}
	f.Fuzz(func(t *testing.T, text string, rec []byte) {
		e, err := ParseFilter(format.Schema, text, nil)
		if err != nil {
			return
		}
		p, err := Compile(format.Schema, e, nil)
		if err != nil {
			return
		}
		if got, want := p.Eval(rec), evaluate(format.Schema, p.root, rec); got != want {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}

func FuzzParseFormat(f *testing.F) {
	f.Add(formatText)
	f.Fuzz(func(t *testing.T, text string) {
		if format, err := ParseFormat(text); err == nil && format.Check() != nil {
			t.Error(format.Check())
		}
	})
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x0012345678"))
	f.Fuzz(func(t *testing.T, page []byte) {
		n := 0
		_ = ReadPage(page, func(r Record) { n += 4 + len(r.Data) })
		if n > len(page) {
			t.Errorf("%d bytes of records in %d", n, len(page))
		}
	})
}

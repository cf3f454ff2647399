package helper

import "testing"

// FuzzFormat prints with formats of any form: what the check accepts prints, within its room.
func FuzzFormat(f *testing.F) {
	for _, s := range []string{"%d %5lu|%-08x", "%s%c%pI4", "%pks %pus%pB%", "%+ 0-99999999999999999999d", "\xff%p\xa0"} {
		f.Add(s, uint64(7), uint8(3))
	}
	f.Fuzz(func(t *testing.T, s string, v uint64, n uint8) {
		args := make([]uint64, n%(printArgs+1))
		for i := range args {
			args[i] = v + uint64(i)
		}
		format := append([]byte(s), 0)
		out, e := (&Call{}).format(format, args, make([]byte, 0, 64))
		if ok := CheckFormat(format, len(args)); e == 0 && !ok || e == eINVAL && ok {
			t.Fatalf("%q with %d arguments: checked as %v, and printing gives %d", s, len(args), ok, e)
		}
		if e == 0 && (len(out.out) > 64 || out.count < len(out.out)) {
			t.Fatalf("%q: %d bytes of %d", s, len(out.out), out.count)
		}
	})
}

// FuzzNumber reads numbers from any text.
func FuzzNumber(f *testing.F) {
	f.Add([]byte(" -0x12z"), uint64(0))
	f.Fuzz(func(t *testing.T, text []byte, flags uint64) {
		if _, _, used, e := parseNumber(text, flags); e == 0 && (used < 1 || used > len(text)) {
			t.Fatalf("%q: %d bytes used", text, used)
		}
	})
}

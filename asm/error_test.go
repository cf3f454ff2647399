// Implements the tests of messages and limits.

package asm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrors holds the messages for bad texts, whole.
func TestErrors(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "errors.txt"))
	if err != nil {
		t.Fatal(err)
	}
	known := &Options{Helper: func(name string) (int32, bool) { return 5, name == "ktime_get_ns" }}
	n := 0
	for _, part := range strings.Split(strings.TrimPrefix(string(b), "== "), "\n== ") {
		title, body, _ := strings.Cut(part, "\n")
		src, want, ok := strings.Cut(body, "--\n")
		if !ok {
			t.Fatalf("%s: no --", title)
		}
		n++
		_, err := Assemble("t.bpf", src, known)
		if err == nil {
			t.Errorf("%s: no error for\n%s", title, src)
			continue
		}
		if got := err.Error(); got != strings.TrimSpace(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", title, got, want)
		}
		var first *Error
		if !errors.As(err, &first) || first.Line == 0 || first.Column == 0 {
			t.Errorf("%s: the error has no place: %#v", title, err)
		}
	}
	t.Logf("%d texts", n)
}

// TestLimits holds the sizes that are refused, and that texts of those sizes are read in linear time.
func TestLimits(t *testing.T) {
	if _, err := Assemble("f", "r0 = 0\n\tl\xfb: exit", nil); err == nil || err.Error() != "f:2:3: byte 0xfb is not UTF-8 text" {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	if _, err := Assemble("f", strings.Repeat(" ", MaxSource+1), nil); err == nil || !strings.Contains(err.Error(), "f:1:1: the text is 16777217 bytes long") {
		t.Errorf("long text: %v", err)
	}
	const most = 1000
	exits := strings.Repeat("exit\n", most)
	if p, err := assembleUpTo(most, "f", exits, nil); err != nil || len(p.Insns) != most {
		t.Errorf("%d instructions: %v", most, err)
	}
	if _, err := assembleUpTo(most, "f", exits+"exit", nil); err == nil || err.Error() != "f:1001:1: the program has more than 1000 instructions" {
		t.Errorf("too many instructions: %v", err)
	}
	if _, err := assembleUpTo(most, "f", exits+"r0 = 1 ll", nil); err == nil {
		t.Error("too many slots")
	}
	var b strings.Builder
	for i := range most + 1 {
		fmt.Fprintf(&b, "l%d:\n", i)
	}
	if _, err := assembleUpTo(most, "f", b.String(), nil); err == nil || err.Error() != "f:1001:1: the text has more than 1000 labels" {
		t.Errorf("too many labels: %v", err)
	}
	const long = 1 << 20
	for name, src := range map[string]string{
		"long line":    strings.Repeat("+", long),
		"open comment": strings.Repeat("/*", long/2),
		"long number":  strings.Repeat("1", long),
		"long string":  strings.Repeat("\"", long),
		"long name":    strings.Repeat("a", long),
		"bad lines":    strings.Repeat("x\n", long/2),
		"hashes":       strings.Repeat("a#1", long/3),
		"hash calls":   "call " + strings.Repeat("a#1", long/3),
	} {
		if _, err := Assemble("f", src, nil); err == nil {
			t.Errorf("%s is read", name)
		} else if len(err.Error()) > 4096 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

// TestFarLabel holds the reach of 16-bit jumps.
func TestFarLabel(t *testing.T) {
	body := strings.Repeat("r0 += 1\n", math16)
	for _, src := range []string{"goto end\n" + body + "end: exit", "if r0 == 0 goto end\n" + body + "end: exit", "start: r0 = 1\n" + body[:len(body)-16] + "goto start"} {
		if _, err := Assemble("", src, nil); err != nil {
			t.Error(err)
		}
	}
	for src, want := range map[string]string{
		"goto end\n" + body + "r0 = 0\nend: exit":            `1:6: label "end" is 32768 instructions away, a 16-bit jump reaches -32768 to 32767: use gotol`,
		"if r0 == 0 goto end\n" + body + "r0 = 0\nend: exit": `1:17: label "end" is 32768 instructions away, a 16-bit jump reaches -32768 to 32767: jump to a near gotol instead`,
		"start: r0 = 1\n" + body + "goto start":              `32769:6: label "start" is -32769 instructions away, a 16-bit jump reaches -32768 to 32767: use gotol`,
	} {
		if _, err := Assemble("", src, nil); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	if _, err := Assemble("", "gotol end\n"+body+body+"end: exit", nil); err != nil {
		t.Error(err)
	}
}

const math16 = 32767

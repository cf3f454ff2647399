// Implements the tests of the command as users call it: the scripts of testdata.

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/seccomp"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"skep": main})
}

func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := filepath.Abs("../../internal/objtest/testdata")
	if err != nil {
		t.Fatal(err)
	}
	traces, err := filepath.Abs("../../internal/tracedat/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", examples)
			env.Setenv("OBJECTS", objects)
			env.Setenv("TRACES", traces)
			mixed := filepath.Join(env.WorkDir, "mixed")
			env.Setenv("MIXED", mixed)
			return os.WriteFile(mixed, mixedCapture(), 0o600)
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "kernel":
				return kernel.Available() == nil, nil
			case "seccomp":
				return seccomp.Available(seccomp.KillProcess) == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "cut": cut},
	})
}

// mixedCapture is a pcapng file of two interfaces, Ethernet with two packets of UDP, one of them to all, and radiotap with
// a beacon.
func mixedCapture() []byte {
	le := binary.LittleEndian
	var file []byte
	block := func(kind uint32, body string) {
		for len(body)%4 != 0 {
			body += "\x00"
		}
		length := uint32(12 + len(body))
		file = le.AppendUint32(append(le.AppendUint32(le.AppendUint32(file, kind), length), body...), length)
	}
	packet := func(face byte, data string) {
		n := string(le.AppendUint32(nil, uint32(len(data))))
		block(6, string(face)+"\x00\x00\x00"+strings.Repeat("\x00", 8)+n+n+data)
	}
	const (
		broadcast = "\xff\xff\xff\xff\xff\xff"
		station   = "\x02\x00\x00\x00\x00\x01"
		udp       = "\x08\x00\x45\x00\x00\x1c\x00\x00\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\x35\x00\x35\x00\x08\x00\x00"
	)
	block(0x0a0d0d0a, "\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff")
	block(1, "\x01\x00\x00\x00\x00\x00\x00\x00")
	block(1, "\x7f\x00\x00\x00\x00\x00\x00\x00")
	packet(0, broadcast+station+udp)
	packet(0, station+station+udp)
	packet(1, "\x00\x00\x08\x00\x00\x00\x00\x00\x80\x00\x00\x00"+broadcast+station+station+strings.Repeat("\x00", 20))
	return file
}

// exits runs a command and checks its exit code: exits CODE COMMAND ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if neg || err != nil {
		ts.Fatalf("usage: exits CODE COMMAND ARGS...")
	}
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d (%v)", got, want, err)
	}
}

// cut copies the first bytes of a file: cut FROM BYTES TO.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	if neg || err != nil {
		ts.Fatalf("usage: cut FROM BYTES TO")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(ts.ReadFile(args[0]))[:n], 0o644))
}

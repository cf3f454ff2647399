// Implements the tests of the command as users call it: the scripts of testdata.

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skepbpf/skep/internal/kernel"
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
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", examples)
			env.Setenv("OBJECTS", objects)
			return nil
		},
		Condition: func(name string) (bool, error) { return name == "kernel" && kernel.Available() == nil, nil },
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "cut": cut},
	})
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

// Implements the suite: own and public vectors, run as subtests.

package enginetest

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Runner runs a vector's program on an engine and returns R0, or why the program cannot be loaded or what
// failed while it ran. It must not fail the test for that: some vectors must fail. v is the Runner's own
// copy, but Program and Mem must not be changed.
type Runner func(t testing.TB, v Vector) (r0 uint64, err error)

// Run puts an engine through the whole suite, in subtests: RunVectors, RunRows and RunRandom.
func Run(t *testing.T, run Runner) {
	t.Run("vectors", func(t *testing.T) { RunVectors(t, run) })
	t.Run("rows", func(t *testing.T) { RunRows(t, run) })
	t.Run("random", func(t *testing.T) { RunRandom(t, run, 2000, Options{}) })
}

// RunVectors runs the own vectors and, where they are present, the public ones, a subtest each.
func RunVectors(t *testing.T, run Runner) {
	vectors := Vectors(t)
	public := PublicVectors(t)
	if len(public) == 0 {
		t.Log("no folder shared/conformance beside the project: the public vectors are left out")
	}
	for _, v := range append(vectors, public...) {
		t.Run(v.Name, func(t *testing.T) {
			if err := v.Check(run(t, v)); err != nil {
				t.Error(err)
			}
		})
	}
}

//go:embed testdata/*.data
var testdata embed.FS

// Vectors returns the own vectors, in order of their names.
func Vectors(t testing.TB) []Vector {
	t.Helper()
	files, err := fs.Sub(testdata, "testdata")
	if err != nil {
		t.Fatal(err)
	}
	return read(t, files)
}

// PublicVectors returns the vectors of the public suite, or nil if no folder shared/conformance is found on
// the way up from the working directory. Their names start with "public/".
func PublicVectors(t testing.TB) []Vector {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		folder := filepath.Join(dir, "shared", "conformance")
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			out := read(t, os.DirFS(folder))
			for i := range out {
				out[i].Name = "public/" + out[i].Name
			}
			return out
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

// read reads all vectors of a folder.
func read(t testing.TB, files fs.FS) []Vector {
	t.Helper()
	names, err := fs.Glob(files, "*.data")
	if err != nil {
		t.Fatal(err)
	}
	var out []Vector
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		v, err := ParseVector(name, text)
		if err != nil {
			t.Error(err)
			continue
		}
		out = append(out, *v)
	}
	return out
}

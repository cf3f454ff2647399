// Implements the entry points: an object file's bytes to a collection, with every failure an *Error.

package elf

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// Options tells how to load. The zero value is right where a kernel runs that is like the one to run on.
type Options struct {
	// KernelTypes are the types that CO-RE relocations are resolved against: those of a kernel, then those
	// of its modules. If it is empty, they are those of the running kernel.
	KernelTypes []*btf.Spec

	// NoTypes says what becomes of CO-RE relocations where there are no such types.
	NoTypes NoTypes

	// Kconfig has the values of CONFIG_ variables as they stand in a kernel's configuration: y, m, a number,
	// or a string in quotes. If it is nil, they are those of the running kernel.
	Kconfig map[string]string

	// KernelVersion is what programs see as LINUX_KERNEL_VERSION, such as 0x061200 for 6.18. Zero means the
	// running kernel's, and where there is none, 6.18.
	KernelVersion uint32

	// Parameters are values for the variables of infrared decoders as ir-keytable has them: their programs take the
	// address of a variable, and loading puts its value there. What is not named keeps the value it has in the object.
	Parameters map[string]int32
}

// NoTypes is what to do about CO-RE relocations without types to resolve them against.
type NoTypes uint8

const (
	// Refuse makes loading fail, with an error that wraps ErrNoTypes and names the relocation.
	Refuse NoTypes = iota
	// AsCompiled leaves the layout that the program was compiled for.
	AsCompiled
	// Poison makes the instructions calls of a helper that does not exist, as the kernel's loader does
	// with what is not there, and tests of existence false.
	Poison
)

// Is reports whether data begins like an object file.
func Is(data []byte) bool { return bytes.HasPrefix(data, []byte("\x7fELF")) }

// LoadFile loads a file. Errors name it.
func LoadFile(name string, opts *Options) (*spec.Collection, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	c, err := Load(data, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// Load loads an object file, which must not change while the collection is in use. opts may be nil. Errors are
// of type *Error. Programs are in the order of the file, maps in that of their sections.
func Load(data []byte, opts *Options) (c *spec.Collection, err error) {
	defer recovered(&c, &err)
	o, err := readObject(data, opts)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{o.readTypes, o.findExterns, o.loadMaps, o.findFunctions, o.relocateTypes, o.loadPrograms, o.fillMaps, o.fillPointers} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return o.out, nil
}

// recovered makes a panic an error. Reading the file and its types is in part the work of other packages, and
// no file may bring a process down.
func recovered[T any](result *T, err *error) {
	r := recover()
	if r == nil {
		return
	}
	var none T
	*result = none
	*err = &Error{Err: fmt.Errorf("reading the object went wrong%s: %v", panicPlace(), r)}
}

// panicPlace names the function that panicked.
func panicPlace() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function != "" && !strings.HasPrefix(f.Function, "runtime.") && !strings.Contains(f.Function, "recovered") {
			return " in " + f.Function
		}
		if !more {
			return ""
		}
	}
}

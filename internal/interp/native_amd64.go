// Implements the entry into machine code where there is some.

//go:build linux

package interp

import (
	"unsafe"

	"github.com/skepbpf/skep/internal/jit/amd64"
)

// The entry in assembly knows that the registers come first, machine code the sizes of two things.
var (
	_ [0]byte                = [unsafe.Offsetof(Machine{}.r)]byte{}
	_ [amd64.RecordSize]byte = [unsafe.Sizeof(frame{})]byte{}
	_ [amd64.SliceSize]byte  = [sliceSize]byte{}
)

// nativeHost tells that machine code can be run.
const nativeHost = true

// enter runs machine code from the given address on until it leaves for a reason other than a helper that
// returns without an error, and returns that reason (see amd64.LeaveStep). r0 is the result of the program or
// of the helper, err the helper's error.
//
// The code makes no calls that could fault, does not move the stack pointer where it could fault, and never
// is on the stack while Go code runs.
func enter(m *Machine, at uintptr) (r0 uint64, exit uint32, err error)

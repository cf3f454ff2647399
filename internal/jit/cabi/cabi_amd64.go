// Implements the Go side of the calls.

package cabi

// Call calls the function at fn with up to five arguments.
func Call(fn uintptr, args ...uint64) uint64 {
	var a [5]uint64
	copy(a[:], args)
	return call(fn, a[0], a[1], a[2], a[3], a[4])
}

// call is Call in assembly.
//
//go:noescape
func call(fn uintptr, a1, a2, a3, a4, a5 uint64) uint64

// Preserves calls the function at fn and reports whether RBX and R12 to R15 have come back as they went, which
// the convention demands.
func Preserves(fn uintptr) bool { return preserves(fn) == 1 }

//go:noescape
func preserves(fn uintptr) uint64

func f1Addr() uintptr
func f3Addr() uintptr

// f2 is what f1 calls.
//
//lint:ignore U1000 f1 reads it, in assembly
var f2 uintptr

// F1 returns the address of f1, which takes no argument and returns what the function at f2Addr returns for 1.
func F1(f2Addr uintptr) uintptr {
	f2 = f2Addr
	return f1Addr()
}

// F3 returns the address of f3, which returns its first argument less its second.
func F3() uintptr { return f3Addr() }

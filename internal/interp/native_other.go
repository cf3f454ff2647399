// Implements the absence of machine code.

//go:build !(linux && amd64)

package interp

// nativeHost tells that machine code cannot be run.
const nativeHost = false

func enter(*Machine, uintptr) (uint64, uint32, error) {
	panic("interp: no machine code on this system")
}

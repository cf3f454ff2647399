// Implements the entry into machine code where there is some.

//go:build linux

package interp

// nativeHost tells that machine code can be run.
const nativeHost = true

// enter runs machine code from the given address on, with the BPF registers of m, and returns why it left;
// see jit.Sandboxed. The code makes no calls, does not move the stack pointer where it could fault, and
// leaves the frame pointer alone.
//
//go:noescape
func enter(m *Machine, at uintptr) uint32

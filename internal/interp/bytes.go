// Implements runs without a machine, for code that looks at nothing but a packet's bytes.

package interp

import (
	"runtime"
	"unsafe"
)

// RunBytes runs a program by its Leaf, one that uses no stack, gets no arguments and sees nothing but what ld_abs and
// ld_ind read of the packet. ctx is what the program takes for its context's address. If ok is false the code would
// have left something to others: nothing has happened then, and a Machine is to run the program.
func RunBytes(leaf Leaf, packet []byte, ctx uint64) (r0, insns uint64, ok bool) {
	var h head // field by field: a literal would be made elsewhere, and waited for
	h.fuel, h.Packet, h.CtxAddr = plenty, packet, ctx
	r0, exit := leaf(noescape(unsafe.Pointer(&h)))
	runtime.KeepAlive(&h)
	return r0, uint64((plenty - h.fuel) / opSize), exit == 0
}

// noescape hides from the compiler that a pointer goes somewhere: leaf keeps nothing, and the goroutine's stack stays
// where it is while machine code runs.
//
//go:nosplit
func noescape(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&x))
}

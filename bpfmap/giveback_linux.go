// Implements giving memory that is all zeros back to the system, until it is touched.

package bpfmap

import (
	"os"
	"syscall"
	"unsafe"
)

// giveBack makes the system forget the whole pages of b, which are zeros and read as zeros afterwards. The
// runtime has zeroed them one by one if others had used them before, and they take memory since.
func giveBack(b []byte) {
	page := os.Getpagesize()
	start := -int(uintptr(unsafe.Pointer(&b[0]))) & (page - 1)
	end := start + (len(b)-start)/page*page
	if end > start {
		_ = syscall.Madvise(b[start:end], syscall.MADV_DONTNEED) // if it fails, they are zeros all the same
	}
}

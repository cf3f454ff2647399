// Implements numbers of ioctl requests, whose layout depends on the architecture (asm-generic/ioctl.h).

package seccomp

import (
	"runtime"
	"strings"
)

// ioctlNumber returns the number of request nr of type '!': direction is 1 for a structure that the kernel reads, 3
// for one that it also writes.
func ioctlNumber(direction, nr, size uintptr) uintptr {
	shift := uintptr(30)
	if strings.HasPrefix(runtime.GOARCH, "mips") || strings.HasPrefix(runtime.GOARCH, "ppc") {
		shift = 29 // three bits: writing is 4, reading 2
		direction = map[uintptr]uintptr{1: 4, 3: 6}[direction]
	}
	return direction<<shift | size<<16 | '!'<<8 | nr
}

// Implements the absence of perf.

//go:build !linux

package execmem

import (
	"errors"
	"fmt"
	"runtime"
)

// PerfMap returns an error that wraps errors.ErrUnsupported.
func PerfMap(addr uintptr, size int, name string) error {
	return fmt.Errorf("perf map on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

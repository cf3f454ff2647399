// Implements filters on sockets for systems whose sockets take none.

//go:build !linux

package filter

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

var errSystem = fmt.Errorf("filters attach to sockets only on Linux, not on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Attach returns an error that wraps errors.ErrUnsupported: only Linux has filters on sockets.
func (f *Filter) Attach(syscall.RawConn) error { return errSystem }

// AttachEBPF returns an error that wraps errors.ErrUnsupported: only Linux has filters on sockets.
func (f *Filter) AttachEBPF(syscall.RawConn) error { return errSystem }

// Detach returns an error that wraps errors.ErrUnsupported: only Linux has filters on sockets.
func (f *Filter) Detach(syscall.RawConn) error { return errSystem }

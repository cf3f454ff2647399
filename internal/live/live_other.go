// Implements the package for systems without packet sockets.

//go:build !linux

package live

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

var errSystem = fmt.Errorf("live capture works only on Linux, not on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Capture is a running capture. There are none on this system.
type Capture struct{}

// LinkTypeOf returns an error that wraps errors.ErrUnsupported.
func LinkTypeOf(string, Options) (uint16, error) { return 0, errSystem }

// Open returns an error that wraps errors.ErrUnsupported.
func Open(string, Options) (*Capture, error) { return nil, errSystem }

// Next returns an error that wraps errors.ErrUnsupported.
func (*Capture) Next(context.Context) ([][]byte, []Info, error) { return nil, nil, errSystem }

// Release does nothing.
func (*Capture) Release() {}

// LinkType returns 0.
func (*Capture) LinkType() uint16 { return 0 }

// SnapLen returns 0.
func (*Capture) SnapLen() int { return 0 }

// Stats returns an error that wraps errors.ErrUnsupported.
func (*Capture) Stats() (Stats, error) { return Stats{}, errSystem }

// Close does nothing.
func (*Capture) Close() error { return nil }

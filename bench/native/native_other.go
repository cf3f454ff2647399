// Implements the absence of raw machine code.

//go:build !(linux && amd64)

package native

import (
	"errors"
	"runtime"
	"time"
)

var errNone = errors.New("compiled for linux/amd64 only, and this is " + runtime.GOOS + "/" + runtime.GOARCH)

// Code is a program in executable memory. There is none for this system.
type Code struct{}

// Load returns an error.
func Load(_, _ []byte) (*Code, error) { return nil, errNone }

// Sub returns an error.
func Sub() (uintptr, error) { return 0, errNone }

// Run returns 0.
func (*Code) Run(int) (uint64, time.Duration) { return 0, 0 }

// Memory returns nil.
func (*Code) Memory() []byte { return nil }

// Close does nothing.
func (*Code) Close() error { return nil }

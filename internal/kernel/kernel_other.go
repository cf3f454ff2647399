// Implements the package for systems without bpf(2).

//go:build !linux

package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

var errSystem = fmt.Errorf("programs run in the kernel only on Linux, not on %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Program is a loaded program. There are none on this system.
type Program struct{}

// Func is a loaded function. There are none on this system.
type Func struct{}

// Available returns why programs cannot be run in this system's kernel.
func Available() error { return errSystem }

// Judge returns why this system's kernel cannot be asked for verdicts.
func Judge() error { return errSystem }

// Load returns an error that wraps errors.ErrUnsupported.
func Load(*spec.Program, []spec.Map, *Options) (*Program, error) { return nil, errSystem }

// Run returns an error that wraps errors.ErrUnsupported.
func (*Program) Run([]byte, []byte, int) (Result, error) { return Result{}, errSystem }

// RunPacket returns an error that wraps errors.ErrUnsupported.
func (*Program) RunPacket([]byte, int) (Result, error) { return Result{}, errSystem }

// Log returns "".
func (*Program) Log() string { return "" }

// Close does nothing.
func (*Program) Close() error { return nil }

// LoadFunc returns an error that wraps errors.ErrUnsupported.
func LoadFunc([]isa.Instruction, int, *Options) (*Func, error) { return nil, errSystem }

// Run returns an error that wraps errors.ErrUnsupported.
func (*Func) Run([]byte) (uint64, []byte, error) { return 0, nil, errSystem }

// Time returns an error that wraps errors.ErrUnsupported.
func (*Func) Time([]byte) (uint64, []byte, time.Duration, error) { return 0, nil, 0, errSystem }

// Close does nothing.
func (*Func) Close() error { return nil }

// RunFunc returns an error that wraps errors.ErrUnsupported.
func RunFunc([]isa.Instruction, []byte) (uint64, []byte, error) { return 0, nil, errSystem }

// RunSocketFilter returns an error that wraps errors.ErrUnsupported.
func RunSocketFilter([]isa.Instruction, []byte) (uint32, error) { return 0, errSystem }

// MapCache keeps nothing on this system.
type MapCache struct{}

// Close does nothing.
func (*MapCache) Close() error { return nil }

//go:build !linux

// Implements loading, listening and looking at processes where there is no seccomp: errors.

package seccomp

import "os"

// Load loads the filter for the process; on systems other than Linux it fails with ErrNotSupported.
func (f *Filter) Load(opts *LoadOptions) error { return ErrNotSupported }

// LoadListener is Load with a Listener.
func (f *Filter) LoadListener(opts *LoadOptions) (*Listener, error) { return nil, ErrNotSupported }

// Exec loads the filter and executes a program in the place of this one.
func (f *Filter) Exec(path string, args, env []string) error { return ErrNotSupported }

// Available reports what is missing for filters with an action to be loaded.
func Available(a Action) error { return ErrNotSupported }

// Listener answers calls for which a filter says Notify.
type Listener struct{}

// NewListener makes a Listener of a file.
func NewListener(f *os.File) (*Listener, error) { return nil, ErrNotSupported }

// Dump returns the filters of a process.
func Dump(pid int) ([]*Filter, error) { return nil, ErrNotSupported }

// Record runs a command and records its system calls.
func Record(argv []string, opts *RecordOptions) (*Recording, error) { return nil, ErrNotSupported }

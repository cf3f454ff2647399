// Implements what loading filters has in common on all systems: options and errors.

package seccomp

import (
	"errors"
	"fmt"
)

// ErrNotSupported says that this system has no seccomp filters: it is not Linux, or the kernel lacks them.
var ErrNotSupported = errors.New("seccomp filters are not supported here")

// LoadOptions says how to load a filter. The zero value, and nil, load it for all threads of the process.
type LoadOptions struct {
	// ThisThread loads the filter for the calling thread alone, which the caller must have locked
	// (runtime.LockOSThread). Threads that it starts inherit the filter, and so does what it executes.
	ThisThread bool
	// KeepPrivileges leaves no_new_privs as it is. Loading then takes CAP_SYS_ADMIN.
	KeepPrivileges bool
}

// SyncError says that a thread of the process has filters that the calling thread has not, so that both cannot have
// the same. Nothing has been loaded.
type SyncError struct{ Thread int }

func (e *SyncError) Error() string {
	return fmt.Sprintf("thread %d has a seccomp filter of its own; no filter can be loaded for all threads", e.Thread)
}

// ExecError says that the filter was loaded, but the program could not be executed.
type ExecError struct{ Err error }

func (e *ExecError) Error() string {
	return fmt.Sprintf("execve, under the filter: %v", e.Err)
}

func (e *ExecError) Unwrap() error { return e.Err }

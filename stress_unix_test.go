//go:build unix

package skep_test

import (
	"os"
	"syscall"
)

// annoy sends the process the signal by which Go's scheduler preempts.
func annoy(p *os.Process) { _ = p.Signal(syscall.SIGURG) }

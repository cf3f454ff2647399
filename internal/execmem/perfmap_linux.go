// Implements the file that tells perf the names of code.

package execmem

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"unicode"
)

var perfMu sync.Mutex // held by who writes the map

// PerfMap tells the Linux profiler perf that the size bytes at addr are the code called name: it appends a
// line to the file perf-PID.map in the directory for temporary files, and creates the file if need be. perf
// itself looks in /tmp. What cannot be printed becomes _ in the name; no name becomes ?. perf knows of no
// end of a piece of code: after Close another one may have the same address, and the later line is right.
//
// The file must be a plain file of this process's user: links are not followed, others' files not written.
// It stays when the process ends, for perf report to read. It is safe for concurrent use.
//
// Source: the kernel's tools/perf/Documentation/jit-interface.txt.
func PerfMap(addr uintptr, size int, name string) (err error) {
	if size <= 0 {
		return fmt.Errorf("perf map: code of %d bytes: %w", size, syscall.EINVAL)
	}
	perfMu.Lock()
	defer perfMu.Unlock()
	f, err := openPerfMap(filepath.Join(os.TempDir(), fmt.Sprintf("perf-%d.map", os.Getpid())))
	if err != nil {
		return fmt.Errorf("perf map: %w", err)
	}
	_, err = fmt.Fprintf(f, "%x %x %s\n", addr, size, perfName(name)) // one write
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("perf map: %w", err)
	}
	return nil
}

// openPerfMap opens a file to append to, in a directory where others may have put something in its place.
func openPerfMap(path string) (*os.File, error) {
	// Without O_NONBLOCK the opening of a named pipe would wait for a reader.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !ownFile(info) {
		err = fmt.Errorf("%s is not a plain file of user %d with one name", path, os.Geteuid())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func ownFile(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && info.Mode().IsRegular() && int(st.Uid) == os.Geteuid() && st.Nlink == 1
}

// perfName makes a name fit for a line of the map.
func perfName(name string) string {
	if name == "" {
		return "?"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
}

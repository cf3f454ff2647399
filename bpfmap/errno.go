// Implements error numbers: Linux's, on every system.

package bpfmap

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cilium/ebpf"
)

// Errno is an error number of Linux, the same on every system; 0 is success. As an error it compares with
// errors.Is to the error values of cilium/ebpf (ENOENT is ebpf.ErrKeyNotExist, EEXIST ebpf.ErrKeyExist,
// ENOTSUPP ebpf.ErrNotSupported) and to the system's own number of the same name, such as syscall.EINVAL.
type Errno int

// The numbers that operations on maps give.
const (
	EPERM      Errno = 1
	ENOENT     Errno = 2
	E2BIG      Errno = 7
	EBADF      Errno = 9
	EAGAIN     Errno = 11
	ENOMEM     Errno = 12
	EFAULT     Errno = 14
	EBUSY      Errno = 16
	EEXIST     Errno = 17
	ENODEV     Errno = 19
	EINVAL     Errno = 22
	ENOSPC     Errno = 28
	ERANGE     Errno = 34
	ENODATA    Errno = 61
	EOVERFLOW  Errno = 75
	EOPNOTSUPP Errno = 95
	ENOTSUPP   Errno = 524 // the kernel's own, which has no name in C libraries
)

type errnoRow struct {
	name, text string
	same       []error // what errors.Is takes it for
}

var errnoTable = map[Errno]errnoRow{
	EPERM:      {"EPERM", "operation not permitted", []error{syscall.EPERM}},
	ENOENT:     {"ENOENT", "key does not exist", []error{ebpf.ErrKeyNotExist, syscall.ENOENT}},
	E2BIG:      {"E2BIG", "key too big for the map, or the map is full", []error{syscall.E2BIG}},
	EBADF:      {"EBADF", "not an object that the map can hold", []error{syscall.EBADF}},
	EAGAIN:     {"EAGAIN", "try again", []error{syscall.EAGAIN}},
	ENOMEM:     {"ENOMEM", "out of memory", []error{syscall.ENOMEM}},
	EFAULT:     {"EFAULT", "bad address", []error{syscall.EFAULT}},
	EBUSY:      {"EBUSY", "busy", []error{syscall.EBUSY}},
	EEXIST:     {"EEXIST", "key already exists", []error{ebpf.ErrKeyExist, syscall.EEXIST}},
	ENODEV:     {"ENODEV", "no such device", []error{syscall.ENODEV}},
	EINVAL:     {"EINVAL", "invalid argument", []error{syscall.EINVAL}},
	ENOSPC:     {"ENOSPC", "no space left", []error{syscall.ENOSPC}},
	ERANGE:     {"ERANGE", "out of range", []error{syscall.ERANGE}},
	ENODATA:    {"ENODATA", "no data available", nil},
	EOVERFLOW:  {"EOVERFLOW", "value too large", []error{syscall.EOVERFLOW}},
	EOPNOTSUPP: {"EOPNOTSUPP", "operation not supported", []error{syscall.EOPNOTSUPP, errors.ErrUnsupported}},
	ENOTSUPP:   {"ENOTSUPP", "operation not supported by this type of map", []error{ebpf.ErrNotSupported, errors.ErrUnsupported}},
}

// Error says what the number means, with its name.
func (e Errno) Error() string {
	if r, ok := errnoTable[e]; ok {
		return fmt.Sprintf("%s (%s)", r.text, r.name)
	}
	return fmt.Sprintf("error number %d", int(e))
}

// Is reports whether target is another value for the same error.
func (e Errno) Is(target error) bool {
	for _, same := range errnoTable[e].same {
		if same == target {
			return true
		}
	}
	return false
}

// errorOf returns e as an error of the named operation, nil for 0. The errors that loops meet are made once.
func errorOf(op string, e Errno) error {
	switch {
	case e == 0:
		return nil
	case e == ENOENT && op == "lookup":
		return errLookupNoEntry
	case e == ENOENT && op == "next key":
		return errNextNoEntry
	}
	return fmt.Errorf("%s: %w", op, e)
}

var (
	errLookupNoEntry = fmt.Errorf("lookup: %w", ENOENT)
	errNextNoEntry   = fmt.Errorf("next key: %w", ENOENT)
)

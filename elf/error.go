// Implements the error of loading, which says where in the object something is wrong.

package elf

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoTypes is wrapped by errors about CO-RE relocations where there are no kernel types to resolve them
// against.
var ErrNoTypes = errors.New("there are no kernel types here")

// ErrBigEndian is wrapped by errors about objects for big-endian machines.
var ErrBigEndian = errors.New("the object is for big-endian machines")

// Error says what is wrong with an object and where. Fields that do not apply are zero.
type Error struct {
	Section   string
	Symbol    string
	Offset    uint64 // bytes from the start of the section; only with HasOffset
	HasOffset bool
	Err       error
}

func (e *Error) Error() string {
	var b strings.Builder
	if e.Section != "" {
		fmt.Fprintf(&b, "section %s: ", e.Section)
	}
	if e.Symbol != "" {
		fmt.Fprintf(&b, "symbol %s: ", e.Symbol)
	}
	if e.HasOffset {
		fmt.Fprintf(&b, "offset %#x: ", e.Offset)
	}
	return b.String() + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// wrong makes an error about the whole object.
func wrong(format string, args ...any) error { return &Error{Err: fmt.Errorf(format, args...)} }

// wrong makes an error about a section.
func (s *section) wrong(format string, args ...any) error {
	return &Error{Section: s.name, Err: fmt.Errorf(format, args...)}
}

// wrongAt makes an error about a place in a section.
func (s *section) wrongAt(off uint64, symbol, format string, args ...any) error {
	return &Error{Section: s.name, Symbol: symbol, Offset: off, HasOffset: true, Err: fmt.Errorf(format, args...)}
}

// wrongSymbol makes an error about a symbol in a section.
func (s *section) wrongSymbol(symbol, format string, args ...any) error {
	return &Error{Section: s.name, Symbol: symbol, Err: fmt.Errorf(format, args...)}
}

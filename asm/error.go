// Implements the errors of the assembler.

package asm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a text.
type Error struct {
	File   string // name given to Assemble
	Line   int    // from 1
	Column int    // in bytes, from 1
	Msg    string // what is wrong, and what was expected
}

// Error returns the message with its place, such as `f.bpf:3:10: expected a register after ","`.
func (e *Error) Error() string {
	if e.File == "" {
		return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Msg)
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Msg)
}

// Errors is what Assemble returns for a bad text: the first mistakes in it, at most one a line and ten in
// all, in the order of the lines. errors.As finds the first as an *Error.
type Errors []*Error

// Error returns the messages, one a line.
func (l Errors) Error() string {
	var b strings.Builder
	for i, e := range l {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap returns the mistakes for errors.Is and errors.As.
func (l Errors) Unwrap() []error {
	out := make([]error, len(l))
	for i, e := range l {
		out[i] = e
	}
	return out
}

// maxErrors is the most mistakes reported.
const maxErrors = 10

// add enters a mistake at a byte of a line.
func (l *Errors) add(file string, line, col int, msg string) {
	*l = append(*l, &Error{File: file, Line: line, Column: col + 1, Msg: msg})
}

// sorted returns the list in the order of the places, or nil if it is empty.
func (l Errors) sorted() error {
	if len(l) == 0 {
		return nil
	}
	slices.SortStableFunc(l, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return l[:min(len(l), maxErrors)]
}

// Implements the error of expressions.

package pcap

import "fmt"

// Error says what is wrong with an expression, and where.
type Error struct {
	Column int    // in the expression, in bytes from 1; 0 if the expression as a whole is wrong
	Text   string // what is wrong, and what was expected, for people
}

func (e *Error) Error() string {
	if e.Column == 0 {
		return e.Text
	}
	return fmt.Sprintf("column %d: %s", e.Column, e.Text)
}

// errorf makes an error that does not know its column yet.
func errorf(format string, args ...any) error { return fmt.Errorf(format, args...) }

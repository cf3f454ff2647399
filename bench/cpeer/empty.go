// Implements calls of an empty C function.

//go:build cgo

package cpeer

// static void empty(void) {}
import "C"

// Empty returns a function that makes n calls of an empty C function.
func Empty() (func(n int), error) {
	return func(n int) {
		for range n {
			C.empty()
		}
	}, nil
}

// Implements the world outside that helpers ask about.

package helper

// Env is the world outside that helpers ask about. A test that fixes it gets the same run every time. Nil
// functions stand for the real thing. The functions must be safe for concurrent use if runs are.
type Env struct {
	Now    func() uint64 // nanoseconds of a clock that never goes back; nil: since the process started
	Random func() uint32 // nil: the runtime's generator
	CPU    func() uint32 // processor the program runs on; nil: the one that the run has been given, see Run.CPU
}

// Package execmem holds machine code: memory that is written first and executed then, never both at once.
//
//	c, err := execmem.New(code, nil) // a copy, at c.Addr()
//	...                              // call it
//	err = c.Close()                  // nothing may be executing it
//
// Programs share mappings, called arenas, but no page: New takes free pages of an arena, makes these
// writable, and when the code is there executable instead, so that other programs run on undisturbed. Close
// makes the pages inaccessible, for later programs to use, and unmaps an arena with its last program.
//
// PerfMap tells the Linux profiler perf what the code is called.
package execmem

// Package enginetest is the suite that every engine's own test calls. An engine is handed over as a Runner,
// a function that runs one Vector, and Run puts it through everything there is:
//
//	func TestEngine(t *testing.T) { enginetest.Run(t, run) }
//
// That is, in this order and each to be had by itself:
//
//   - RunVectors: the vectors of testdata, at least one for each row of the instruction table, and those of
//     the public conformance suite where a folder shared/conformance lies beside the project.
//   - RunRows: every row that computes or jumps, over edge operands, against isa.EvalALU and isa.EvalJump.
//   - RunRandom: random programs drawn from the table, against Reference, a machine that is slow, plain and
//     built on nothing but isa.EvalALU and its siblings. A row added to the table is drawn by itself. A
//     program on which the engine is wrong is shrunk before it is shown.
//
// The random programs of Generate serve for comparing any two engines, with Options.Kernel also the kernel.
//
// # The files
//
// A file of testdata holds one program in the format of the public suite: lines that start with "-- " open
// the sections, "#" starts a comment.
//
//	# What the case shows.
//	-- asm
//	mov %r0, 1
//	exit
//	-- mem
//	11 22 33
//	-- result
//	0x1
//
// Section asm is text that package asm reads, raw the same as one 64-bit number a slot (needed only where
// readers of the public suite do not know the instructions); a file with both is held to be the same twice.
// mem is memory as hex bytes: R1 is its address and R2 its length, both 0 without it. result is R0 at the
// end. In its place error, with some text for readers, says that the program cannot be loaded or fails when
// it runs. Sections c and "no register offset" are passed over.
//
// One section is ours: type names a program type, and readers of the public suite pass such files over. R1
// is then that type's context, mem its packet, and of the result the low 32 bits count.
//
// Helpers are those of the public suite (conformance.Helpers). An engine must have them for the vectors that call.
package enginetest

// Package interp is the machine that runs decoded programs: the interpreter, which works everywhere and checks
// everything, and machine code in its place where there is some. Every memory access is held against the
// regions of the run; the interpreter also demands that stack bytes and registers were written before they
// are read.
//
// The checks follow from facts. Which register reads are safe is found out once, when the program is
// compiled; only if some are in doubt are registers watched while it runs. Stack accesses at fixed offsets
// from R10 are known to be in bounds and skip the search for a region.
//
// Three things move a run on, and they keep the same promises, so that a run may change from one to the other
// at any instruction: the run loop (run), machine code (runNative), and the readable engine (step), which
// knows every instruction. The first two leave to it what they do not do themselves. Where every instruction
// has to be judged before it runs, because registers are watched or the limit is near, walk goes by step alone.
package interp

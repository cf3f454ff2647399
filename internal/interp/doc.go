// Package interp runs decoded programs one instruction at a time: the engine that works everywhere and the
// one that checks everything. Every memory access is held against the regions of the run, stack bytes must
// have been written before they are read, and so must registers.
//
// The checks follow from facts. Which register reads are safe is found out once, when the program is
// compiled; only if some are in doubt are registers watched while it runs. Stack accesses at fixed offsets
// from R10 are known to be in bounds and skip the search for a region. There is one run loop: the careful
// form, with watched registers and an exact instruction limit, is the same loop with one more call at its top.
package interp

// Package mem implements guest memory: the flat 32-bit address space that a checked program sees, and the
// faults that end a run.
//
// The space is cut into 256 granules of 16 MiB. A region (stack, context, packet, map values, memory that
// helpers hand out) starts at the start of a granule and takes as many as it needs; what no region covers
// faults, granule 0 always. Guest addresses are therefore small numbers that are the same on every run and
// every machine, fit the 32-bit pointer fields of packet contexts, and never are host addresses.
//
// An access costs one table look-up and one comparison. The bytes of a region are ordinary Go memory that
// the space refers to; nothing is copied.
package mem

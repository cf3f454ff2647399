// Package value computes with numbers of which only something is known: which bits have which value (Tnum), and
// in which ranges the number lies, read as unsigned or signed and as 64 or its lower 32 bits (Scalar). It knows
// nothing of BPF programs: package verify decides what is computed.
//
// All types are plain values; nothing allocates. Each operation is sound: a result holds every number that the
// operation gives for operands in the given sets. How precise results are follows the Linux verifier (6.18),
// since a verifier that knows more than the kernel's would accept what the kernel refuses.
package value

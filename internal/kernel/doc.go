// Package kernel runs programs in the running Linux kernel by the bpf(2) system call: the engine that all
// others are compared with, and the verifier that others are compared with.
//
// A program is loaded by Load and run by Program.Run, which uses BPF_PROG_TEST_RUN: nothing is ever
// attached, so no traffic and no event of the machine reaches the program. Both need the rights to do so;
// Available tells whether the process has them. On systems other than Linux everything here returns an
// error that wraps errors.ErrUnsupported.
//
// Plain functions over memory (spec.Unspec) have no program type in the kernel. LoadFunc and RunFunc wrap
// one into an XDP program that calls it and carries all 64 bits of R0 back in the packet.
package kernel

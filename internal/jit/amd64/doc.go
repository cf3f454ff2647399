// Package amd64 encodes x86-64 machine code. It turns verbs, such as "add these registers" or "load 16 bits",
// into bytes; what to do in which order is the caller's business, and nothing here calls back. It builds and
// is tested on every host.
//
// Map is the one table of which machine register holds which BPF register. Encodings are the short ones, and
// jumps are as short as they can be once all code is known (see Code).
package amd64

// Package cabi calls machine code that follows the System V calling convention from Go, and holds two such
// functions for the example of the 2014 description of internal BPF: f1, which calls through a pointer, and
// f3, which subtracts.
//
// The code called must not fault, must not call Go, and has some 8,000 bytes of stack.
package cabi

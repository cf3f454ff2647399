// Package jit compiles decoded programs to machine code. It walks over a program and says what is to be done
// where; the packages below it, one an architecture, encode that.
//
// It makes two kinds of code. Compile trusts the program and makes functions in the System V convention, as a C
// caller would call them, in which nothing checks anything. CompileGuest makes code that runs inside a machine of
// package interp: sandboxed, which trusts nothing and counts instructions, or trusted; for one run, or for a
// batch of packets. For all that it does not do itself it returns to whoever entered it.
package jit

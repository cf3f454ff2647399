// Package jit compiles decoded programs to machine code. It walks over a program and says what is to be done
// where; the packages below it, one an architecture, encode that.
//
// It makes two kinds of code. Compile trusts the program and makes functions in the System V convention, as a C
// caller would call them, in which nothing checks anything. CompileSandboxed trusts nothing: its code checks
// every access and returns to its caller, package interp, for all that it does not do itself.
package jit

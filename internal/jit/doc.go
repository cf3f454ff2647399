// Package jit compiles decoded programs to machine code. It walks over a program and says what is to be done
// where; the packages below it, one an architecture, encode that.
//
// So far it makes stand-alone functions in the System V convention, as a C caller would call them: Compile
// trusts the program, and nothing in the code checks anything. Running programs from Go is the interpreter's
// work.
package jit

// Package native runs the benchmark programs as clang compiled them for the machine itself: raw code that is
// mapped and called, so that neither cgo nor a compiler is needed. It also has a helper in assembly.
package native

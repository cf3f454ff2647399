// Package btfprint shows bytes as values of the types that object files describe (BTF), as JSON and as C
// writes them, and reads such JSON back into bytes. Memory is little endian.
package btfprint

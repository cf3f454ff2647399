// Package bpfmap holds live maps: all types that programs commonly use, with the semantics, flags and error
// numbers of the Linux kernel, on every system.
//
//	m, err := bpfmap.New(&spec.Map{Name: "count", Type: spec.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 100}, nil)
//	err = m.Put(uint32(1), uint64(10))
//	var n uint64
//	err = m.Lookup(uint32(1), &n)
//
// The interface Map is what Go code needs: a function that takes one works with maps of Skep (*Local) and with
// those of the kernel (FromKernel). Programs share a *Local by its Memory, in which the values are: a
// program's access to a value is a plain memory access, at the offset that LookupOffset tells, while
// everything that Go code reads and writes there is read and written in words of 8 bytes at once.
//
// An arena map is memory with pointers in it, which Go code follows by the methods of Arena.
//
// There are no file descriptors. Where the kernel wants one as a value, of a program, map or socket, the Go
// value itself is put.
package bpfmap

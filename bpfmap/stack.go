// Implements stack: last in, first out.

package bpfmap

func newStack(m *Local, _ *Options) impl { return newList(m, true) }

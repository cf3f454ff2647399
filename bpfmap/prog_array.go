// Implements prog_array: programs for tail calls.

package bpfmap

func newProgArray(m *Local, _ *Options) impl { return newObjectArray(m, acceptAny) }

// Program returns what a prog_array holds at an index: the value that was put there.
func (m *Local) Program(index uint32) (any, bool) { return m.objectAt(index) }

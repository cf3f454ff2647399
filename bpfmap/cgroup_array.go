// Implements cgroup_array: cgroups that programs ask about.

package bpfmap

func newCGroupArray(m *Local, _ *Options) impl {
	a := newObjectArray(m, acceptAny)
	a.hidden = ENOTSUPP
	return a
}

// CGroup returns what a cgroup_array holds at an index: the value that was put there.
func (m *Local) CGroup(index uint32) (any, bool) { return m.objectAt(index) }

// objectAt returns the object at an index of an array of objects.
func (m *Local) objectAt(index uint32) (any, bool) {
	a, ok := m.impl.(*objectArray)
	if !ok {
		return nil, false
	}
	o := a.at(index)
	if o == nil {
		return nil, false
	}
	return o.v, true
}

// Implements xskmap: sockets that take packets from XDP programs.

package bpfmap

func newXSKMap(m *Local, _ *Options) impl {
	a := newObjectArray(m, acceptAny)
	a.hidden, a.anyFlags, a.deleteBeyond, a.deleteMissing = EOPNOTSUPP, true, EINVAL, 0
	return a
}

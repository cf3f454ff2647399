// Implements sockhash: sockets by key. They are recorded, nothing is sent.

package bpfmap

func newSockhash(m *Local, o *Options) impl {
	h := newObjectHash(m, o, acceptAny)
	h.hidden = hiddenSocket(&m.def)
	return h
}

// Implements devmap_hash: network interfaces to redirect to, by any number.

package bpfmap

type devmapHash struct{ *hash }

func newDevmapHash(m *Local, o *Options) impl { return devmapHash{newHash(m, o).(*hash)} }

func (d devmapHash) update(key, value []byte, flags uint64, cpu int) Errno {
	empty, e := checkDevice(value)
	if flags > updateExist || empty {
		return EINVAL
	}
	if e != 0 {
		return e
	}
	var clean [8]byte
	copy(clean[:4], value)
	return d.hash.update(key, clean[:len(value)], flags&updateNoExist, cpu) // BPF_EXIST means nothing here
}

func (d devmapHash) take([]byte, []byte, uint64) Errno { return ENOTSUPP }

func (d devmapHash) remove(key []byte) Errno { return d.hash.take(key, nil, 0) }

func (d devmapHash) each(int, func([]byte, int) bool) (int, Errno) { return 0, EINVAL }

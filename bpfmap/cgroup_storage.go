// Implements cgroup_storage and percpu_cgroup_storage: a value for each control group, or for each one and attach type.

package bpfmap

import "encoding/binary"

// groupKeySize is that of struct bpf_cgroup_storage_key: the group's number, 8 bytes, the attach type, and four bytes that
// mean nothing. A key of 8 bytes is the number alone.
const groupKeySize = 16

// cgroupStorage is a hash map of as many elements as there are groups. The kernel makes an element when a program is
// attached to the group; here updates make them, and bpf_get_local_storage does.
type cgroupStorage struct{ *hash }

// maxGroups is how many elements there are at most.
const maxGroups = 4096

func newCGroupStorage(m *Local, o *Options) impl {
	each := round8(m.def.ValueSize)
	if perCPU(m.def.Type) {
		each *= uint64(m.cpus)
	}
	return &cgroupStorage{newHashOf(m, o, uint32(max(1, min(maxGroups, o.MaxMemory/each))))}
}

// plain returns the key without the bytes that mean nothing, in own.
func (c *cgroupStorage) plain(key []byte, own *[groupKeySize]byte) []byte {
	copy(own[:], key)
	clear(own[12:])
	return own[:len(key)]
}

func (c *cgroupStorage) lookup(key []byte, cpu int) (int, bool) {
	var own [groupKeySize]byte
	return c.hash.lookup(c.plain(key, &own), cpu)
}

func (c *cgroupStorage) update(key, value []byte, flags uint64, cpu int) Errno {
	var own [groupKeySize]byte
	if c.perCPU != 0 && flags&updateLock != 0 || flags&^(updateExist|updateLock) != 0 {
		return EINVAL
	}
	return c.hash.update(c.plain(key, &own), value, flags, cpu)
}

func (c *cgroupStorage) remove([]byte) Errno { return EINVAL }

func (c *cgroupStorage) take([]byte, []byte, uint64) Errno { return ENOTSUPP }

func (c *cgroupStorage) read(key, out []byte, flags uint64) Errno {
	var own [groupKeySize]byte
	return c.hash.read(c.plain(key, &own), out, flags)
}

func (c *cgroupStorage) next(key, out []byte) Errno {
	if key == nil {
		return c.hash.next(nil, out)
	}
	var own [groupKeySize]byte
	return c.hash.next(c.plain(key, &own), out)
}

func (c *cgroupStorage) each(int, func([]byte, int) bool) (int, Errno) { return 0, EINVAL }

// GroupStorage returns the offset in Memory of the value of a control group for programs of an attach type, as
// bpf_get_local_storage does in a program that runs on cpu. A missing value is made, of zeros. It fails for other types
// of maps, and when there is no room for one more.
func (m *Local) GroupStorage(id uint64, attach uint32, cpu int) (off int, ok bool) {
	c, ok := m.impl.(*cgroupStorage)
	if !ok {
		return 0, false
	}
	var own [groupKeySize]byte
	binary.LittleEndian.PutUint64(own[:], id)
	binary.LittleEndian.PutUint32(own[8:], attach)
	key := own[:m.def.KeySize]
	if off, ok = c.hash.lookup(key, cpu); ok {
		return off, true
	}
	if e := c.hash.update(key, make([]byte, m.full), updateNoExist, allCPUs); e != 0 && e != EEXIST {
		return 0, false
	}
	return c.hash.lookup(key, cpu)
}

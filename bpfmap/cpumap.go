// Implements cpumap: CPUs to redirect to, with the length of each one's queue.

package bpfmap

import "encoding/binary"

// maxQueue is the greatest length of a queue, in packets.
const maxQueue = 16384

func newCPUMap(m *Local, _ *Options) impl {
	return newTargets(m, func(cpu uint32, value []byte) (bool, Errno) {
		length := binary.LittleEndian.Uint32(value)
		switch {
		case length > maxQueue:
			return false, EOVERFLOW
		case cpu >= uint32(m.cpus):
			return false, ENODEV
		case len(value) == 8 && length > 0 && int32(binary.LittleEndian.Uint32(value[4:])) > 0:
			return false, EINVAL
		}
		return length == 0, 0
	})
}

// Implements the arithmetic that does not fit a line of the run loop.

package interp

func sdiv64(a, b uint64) uint64 {
	switch int64(b) {
	case 0:
		return 0
	case -1:
		return -a
	}
	return uint64(int64(a) / int64(b))
}

func smod64(a, b uint64) uint64 {
	switch int64(b) {
	case 0:
		return a
	case -1:
		return 0
	}
	return uint64(int64(a) % int64(b))
}

// The 32-bit forms cannot overflow in 64 bits.

func sdiv32(a, b uint32) uint64 {
	if b == 0 {
		return 0
	}
	return uint64(uint32(int64(int32(a)) / int64(int32(b))))
}

func smod32(a, b uint32) uint64 {
	if b == 0 {
		return uint64(a)
	}
	return uint64(uint32(int64(int32(a)) % int64(int32(b))))
}

// Implements memory that helpers may find or not: kernel and user memory, by address, without faults.

package helper

// region returns the part of a region from addr on, at most n bytes, or nil.
func region(regions []Region, addr uint64, n int, write bool) []byte {
	for i := range regions {
		r := &regions[i]
		if off := addr - r.Addr; off < uint64(len(r.Data)) && !(write && r.ReadOnly) {
			return r.Data[off:min(uint64(len(r.Data)), off+uint64(n))]
		}
	}
	return nil
}

// copyRegions fills dst from regions, which may lie side by side, and returns how much it could fill.
func copyRegions(dst []byte, regions []Region, addr uint64) int {
	n := 0
	for n < len(dst) {
		part := region(regions, addr+uint64(n), len(dst)-n, false)
		if part == nil {
			break
		}
		n += copy(dst[n:], part)
	}
	return n
}

// ReadKernel fills b from the kernel memory at an address, as far as there is some. The rest of b stays as it is.
func (e *Env) ReadKernel(b []byte, addr uint64) { copyRegions(b, e.Kernel, addr) }

// KernelMemory returns the n bytes of kernel memory at an address, to be changed, or nil if they do not lie in one region
// that can be.
func (e *Env) KernelMemory(addr uint64, n int) []byte {
	if b := region(e.Kernel, addr, n, true); len(b) == n {
		return b
	}
	return nil
}

// readUser fills dst from user memory. If it cannot, dst has what could be read.
func (c *Call) readUser(dst []byte, addr uint64) bool {
	return len(dst) == 0 || c.Env != nil && copyRegions(dst, c.Env.User, addr) == len(dst)
}

// The addresses that are the kernel's: where guest memory is, and those above what user space can have.
const (
	guestStart = 1 << 24
	guestEnd   = 1 << 32
	userEnd    = 0x7fff_ffff_f000 + 1<<12
)

// badKernel returns the error of a kernel address that could not be read: there are those that cannot be one.
func badKernel(addr uint64) errno {
	if addr >= guestStart && addr < guestEnd || addr >= userEnd {
		return eFAULT
	}
	return eRANGE
}

// readKernel fills dst from kernel memory or what the program itself could read.
func (c *Call) readKernel(dst []byte, addr uint64) bool {
	if len(dst) == 0 {
		return badKernel(addr) == eFAULT || c.readKernel(make([]byte, 1), addr)
	}
	if c.Env != nil && copyRegions(dst, c.Env.Kernel, addr) == len(dst) {
		return true
	}
	if c.Memory == nil {
		return false
	}
	b, err := c.Bytes(addr, len(dst), false)
	if err != nil {
		return false
	}
	copy(dst, b)
	return true
}

// readAny fills dst from either memory, as helpers do that decide by the address.
func (c *Call) readAny(dst []byte, addr uint64) bool {
	return c.readKernel(dst, addr) || c.readUser(dst, addr)
}

// writeUser writes to user memory.
func (c *Call) writeUser(addr uint64, src []byte) bool {
	if c.Env == nil {
		return false
	}
	for n := 0; n < len(src); { // all of it or nothing
		part := region(c.Env.User, addr+uint64(n), len(src)-n, true)
		if part == nil {
			return false
		}
		n += len(part)
	}
	for n := 0; n < len(src); {
		n += copy(region(c.Env.User, addr+uint64(n), len(src)-n, true), src[n:])
	}
	return true
}

// readable returns what can be read of the n bytes of kernel memory at addr.
func (c *Call) readable(addr uint64, n int) []byte {
	b := make([]byte, n)
	for ; n > 0; n /= 2 {
		if c.readKernel(b[:n], addr) {
			break
		}
	}
	for n < len(b) && c.readKernel(b[n:n+1], addr+uint64(n)) {
		n++
	}
	return b[:n]
}

// textStep is how many bytes of a string are read at a time.
const textStep = 32

// readText copies a string to dst with its zero byte and returns how many bytes that were, or -1 if it could not be
// read. A string that is too long is cut, and ends with a zero byte all the same.
func (c *Call) readText(dst []byte, addr uint64, user bool) int {
	read := c.readKernel
	if user {
		read = c.readUser
	}
	return readString(dst, addr, read)
}

// readString does so with a function that reads. What was behind the string in dst stays there.
func readString(dst []byte, addr uint64, read func([]byte, uint64) bool) int {
	var piece [textStep]byte
	for n := 0; n < len(dst); {
		step := min(textStep, len(dst)-n)
		if !read(piece[:step], addr+uint64(n)) {
			if step = 1; !read(piece[:1], addr+uint64(n)) {
				return -1
			}
		}
		for i, b := range piece[:step] {
			if dst[n+i] = b; b == 0 {
				return n + i + 1
			}
		}
		n += step
	}
	if len(dst) > 0 {
		dst[len(dst)-1] = 0
	}
	return len(dst)
}

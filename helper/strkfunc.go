// Implements the kernel functions for strings, which read memory that may not be there.

package helper

// longestString is how many bytes of a string these functions look at (XATTR_SIZE_MAX).
const longestString = 1 << 16

// reader reads a string byte by byte, a piece at a time.
type reader struct {
	c    *Call
	addr uint64
	buf  [textStep]byte
	from int // position of buf[0]
	n    int // bytes in buf
}

// at returns a byte of the string; ok is false if it is not there.
func (r *reader) at(i int) (b byte, ok bool) {
	if k := i - r.from; k >= 0 && k < r.n {
		return r.buf[k], true
	}
	for n := textStep; n > 0; n = n / textStep {
		if r.c.readKernel(r.buf[:n], r.addr+uint64(i)) {
			r.from, r.n = i, n
			return r.buf[0], true
		}
	}
	r.n = 0
	return 0, false
}

// isKernel reports whether an address can be the kernel's or the program's at all.
func (c *Call) isKernel(addr uint64) bool {
	return badKernel(addr) == eFAULT || c.readKernel(make([]byte, 1), addr)
}

// search goes through a string until f says what the result is. f gets the bytes one by one, the zero at the end too.
func search(c *Call, s uint64, limit uint64, f func(i int, b byte) (r int, done bool)) int {
	if !c.isKernel(s) {
		return -int(eRANGE)
	}
	r := &reader{c: c, addr: s}
	for i := 0; uint64(i) < limit && i < longestString; i++ {
		b, ok := r.at(i)
		if !ok {
			return -int(eFAULT)
		}
		if n, done := f(i, b); done {
			return n
		}
	}
	if limit >= longestString {
		return -int(e2BIG)
	}
	return notFound
}

// notFound is what search returns at its limit.
const notFound = -1 << 30

func orNoEntry(n int) int {
	if n == notFound {
		return -int(eNOENT)
	}
	return n
}

func strnchr(c *Call, s, count uint64, want byte) int {
	return orNoEntry(search(c, s, count, func(i int, b byte) (int, bool) {
		switch {
		case b == want:
			return i, true
		case b == 0:
			return -int(eNOENT), true
		}
		return 0, false
	}))
}

func strnlen(c *Call, s, count uint64) int {
	n := search(c, s, count, func(i int, b byte) (int, bool) { return i, b == 0 })
	if n == notFound {
		return int(count)
	}
	return n
}

func strrchr(c *Call, s uint64, want byte) int {
	last := -int(eNOENT)
	return search(c, s, longestString, func(i int, b byte) (int, bool) {
		if b == want {
			last = i
		}
		return last, b == 0
	})
}

// strspan counts the first bytes that are in set, or that are not.
func strspan(c *Call, s, set uint64, in bool) int {
	if !c.isKernel(set) {
		return -int(eRANGE)
	}
	r := &reader{c: c, addr: set}
	return search(c, s, longestString, func(i int, b byte) (int, bool) {
		if b == 0 {
			return i, true
		}
		for j := 0; j < longestString; j++ {
			x, ok := r.at(j)
			switch {
			case !ok:
				return -int(eFAULT), true
			case x == b:
				return i, !in
			case x == 0:
				return i, in
			}
		}
		return -int(e2BIG), true
	})
}

func strcmp(c *Call, s1, s2 uint64, fold bool) int {
	if !c.isKernel(s2) {
		return -int(eRANGE)
	}
	r := &reader{c: c, addr: s2}
	return search(c, s1, longestString, func(i int, a byte) (int, bool) {
		b, ok := r.at(i)
		if !ok {
			return -int(eFAULT), true
		}
		if fold {
			a, b = lower(a), lower(b)
		}
		switch {
		case a < b:
			return -1, true
		case a != b:
			return 1, true
		}
		return 0, a == 0
	})
}

// lower is the kernel's tolower, which knows Latin-1.
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' || c >= 0xc0 && c <= 0xde && c != 0xd7 {
		return c + 0x20
	}
	return c
}

// strnstr finds s2 in the first limit bytes of s1.
func strnstr(c *Call, s1, s2, limit uint64) int {
	if !c.isKernel(s1) || !c.isKernel(s2) {
		return -int(eRANGE)
	}
	a, b := &reader{c: c, addr: s1}, &reader{c: c, addr: s2}
	budget := 64 * longestString
	for i := 0; i < longestString; i++ {
		j := 0
		for ; uint64(i+j) <= limit && j < longestString; j++ {
			if budget--; budget < 0 {
				return -int(e2BIG)
			}
			y, ok := b.at(j)
			switch {
			case !ok:
				return -int(eFAULT)
			case y == 0:
				return i
			}
			if uint64(i+j) == limit {
				break
			}
			x, ok := a.at(i + j)
			switch {
			case !ok:
				return -int(eFAULT)
			case x == 0:
				return -int(eNOENT)
			}
			if x != y {
				break
			}
		}
		switch {
		case j == longestString:
			return -int(e2BIG)
		case uint64(i+j) == limit:
			return -int(eNOENT)
		}
	}
	return -int(e2BIG)
}

// str returns a kernel function for strings, of which the first arguments are.
func str(name string, strings, args int, f func(c *Call, r1, r2, r3 uint64) int) Helper {
	h := Helper{Name: name, Kfunc: true, Func: func(c *Call, r1, r2, r3, _, _ uint64) (uint64, error) {
		return uint64(uint32(f(c, r1, r2, r3))), nil
	}}
	for i := range args {
		if h.Args = append(h.Args, Any); i < strings {
			h.Args[i] |= Ignored
		}
	}
	return h
}

var stringKfuncs = []Helper{
	str("bpf_strcmp", 2, 2, func(c *Call, a, b, _ uint64) int { return strcmp(c, a, b, false) }),
	str("bpf_strcasecmp", 2, 2, func(c *Call, a, b, _ uint64) int { return strcmp(c, a, b, true) }),
	str("bpf_strchr", 1, 2, func(c *Call, s, ch, _ uint64) int { return strnchr(c, s, longestString, byte(ch)) }),
	str("bpf_strchrnul", 1, 2, func(c *Call, s, ch, _ uint64) int {
		return search(c, s, longestString, func(i int, b byte) (int, bool) { return i, b == 0 || b == byte(ch) })
	}),
	str("bpf_strnchr", 1, 3, func(c *Call, s, n, ch uint64) int { return strnchr(c, s, n, byte(ch)) }),
	str("bpf_strrchr", 1, 2, func(c *Call, s, ch, _ uint64) int { return strrchr(c, s, byte(ch)) }),
	str("bpf_strlen", 1, 1, func(c *Call, s, _, _ uint64) int { return strnlen(c, s, longestString) }),
	str("bpf_strnlen", 1, 2, func(c *Call, s, n, _ uint64) int { return strnlen(c, s, n) }),
	str("bpf_strspn", 2, 2, func(c *Call, s, set, _ uint64) int { return strspan(c, s, set, true) }),
	str("bpf_strcspn", 2, 2, func(c *Call, s, set, _ uint64) int { return strspan(c, s, set, false) }),
	str("bpf_strstr", 2, 2, func(c *Call, a, b, _ uint64) int { return strnstr(c, a, b, longestString) }),
	str("bpf_strnstr", 2, 3, func(c *Call, a, b, n uint64) int { return strnstr(c, a, b, n) }),
}

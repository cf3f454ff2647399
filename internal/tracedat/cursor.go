// Implements reading a file's metadata: numbers, texts and sizes, none of which is trusted.

package tracedat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// cursor reads on from a place. After an error it reads nothing but zeros.
type cursor struct {
	r   io.ReaderAt
	at  int64
	end int64 // of the file or section
	in  string
	err error
}

func (c *cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s, byte %d: %s", c.in, c.at, fmt.Sprintf(format, args...))
	}
}

// bytes reads n bytes.
func (c *cursor) bytes(n uint64) []byte {
	if c.err != nil {
		return nil
	}
	if left := c.end - c.at; left < 0 || n > uint64(left) {
		c.fail("%d bytes are to follow, and there are %d", n, max(0, left))
		return nil
	}
	if n > maxPiece {
		c.fail("a piece of %d bytes, at most %d", n, maxPiece)
		return nil
	}
	b := make([]byte, n)
	if _, err := c.r.ReadAt(b, c.at); err != nil && (err != io.EOF || n > 0) {
		c.fail("%v", err)
		return nil
	}
	c.at += int64(n)
	return b
}

// skip leaves n bytes out.
func (c *cursor) skip(n uint64) {
	if left := c.end - c.at; c.err == nil && (left < 0 || n > uint64(left)) {
		c.fail("%d bytes are to follow, and there are %d", n, max(0, left))
		return
	}
	c.at += int64(n)
}

func (c *cursor) number(size int) uint64 {
	var b [8]byte
	copy(b[:], c.bytes(uint64(size)))
	return binary.LittleEndian.Uint64(b[:])
}

func (c *cursor) u16() uint16 { return uint16(c.number(2)) }
func (c *cursor) u32() uint32 { return uint32(c.number(4)) }
func (c *cursor) u64() uint64 { return c.number(8) }

// maxName bounds texts that end at a NUL.
const maxName = 4096

// text reads up to a NUL.
func (c *cursor) text() string {
	var out []byte
	for len(out) < maxName && c.err == nil {
		n := min(64, uint64(max(0, c.end-c.at)))
		if n == 0 {
			break
		}
		b := c.bytes(n)
		if i := bytes.IndexByte(b, 0); i >= 0 {
			c.at -= int64(len(b) - i - 1)
			return string(append(out, b[:i]...))
		}
		out = append(out, b...)
	}
	c.fail("a text without an end")
	return ""
}

// want reads a text that has to be there.
func (c *cursor) want(text string) {
	if b := c.bytes(uint64(len(text))); c.err == nil && string(b) != text {
		c.at -= int64(len(text))
		c.fail("%q, not %q", b, text)
	}
}

// Implements decompressing: zstd and zlib, with bounds.

package tracedat

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// unpack reads packed bytes that are to become as many as whole says.
func (f *File) unpack(c *cursor, packed, whole uint64) []byte {
	if c.err == nil && whole > maxPiece {
		c.fail("%d bytes when decompressed, at most %d", whole, maxPiece)
	}
	b := c.bytes(packed)
	if c.err != nil {
		return nil
	}
	out, err := f.decompress(b, int(whole))
	if err != nil {
		c.fail("%v", err)
	}
	return out
}

func (f *File) decompress(b []byte, whole int) ([]byte, error) {
	var r io.Reader
	switch f.codec {
	case "zstd":
		d, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPiece))
		if err != nil {
			return nil, fmt.Errorf("zstd: %w", err)
		}
		defer d.Close()
		r = d
	case "zlib":
		z, err := zlib.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("zlib: %w", err)
		}
		r = z
	case "":
		return nil, fmt.Errorf("it is compressed, and the file says that nothing is")
	default:
		return nil, fmt.Errorf("it is compressed by %q: zstd and zlib are known", f.codec)
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(whole)+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.codec, err)
	}
	if len(out) != whole {
		return nil, fmt.Errorf("%s: %d bytes or more, not %d", f.codec, len(out), whole)
	}
	return out, nil
}

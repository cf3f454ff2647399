// Implements reading compressed captures: gzip and Zstandard, told by their magic numbers.

package capture

import (
	"bufio"
	"compress/gzip"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest window of a Zstandard file, bytes: what the zstd command takes unless told otherwise.
const maxWindow = 128 << 20

// decompressed returns a reader of what source holds in compressed form, nil if it is not compressed. magic is how
// source begins.
func decompressed(magic string, source io.Reader) (io.Reader, error) {
	switch {
	case strings.HasPrefix(magic, "\x1f\x8b"):
		return gzip.NewReader(bufio.NewReaderSize(source, firstRoom))
	case magic == "\x28\xb5\x2f\xfd":
		// One at a time means no goroutines, so nothing is left behind by a scanner that is dropped.
		d, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	return nil, nil
}

// replay gives bytes that have been read from rest already, what error came with them, and then the rest.
type replay struct {
	head []byte
	err  error
	rest io.Reader
}

func (r *replay) Read(p []byte) (int, error) {
	if len(r.head) > 0 {
		n := copy(p, r.head)
		r.head = r.head[n:]
		return n, nil
	}
	if r.err != nil {
		return 0, r.err
	}
	return r.rest.Read(p)
}

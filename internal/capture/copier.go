// Implements the copier: records of a scanned capture, written out as they stand.

package capture

import (
	"bufio"
	"io"
)

// copyBuffer is how much is written at once, bytes.
const copyBuffer = 1 << 20

// Copier writes the packets of a Scanner's batches that match to another capture of the same form: the same header, or
// section and interface blocks, and the records as they stand in the input, byte by byte. It is not safe for
// concurrent use. Its memory is a buffer of 1 MiB.
type Copier struct {
	buf *bufio.Writer
}

// NewCopier returns a copier to w, which is written to in large pieces.
func NewCopier(w io.Writer) *Copier { return &Copier{bufio.NewWriterSize(w, copyBuffer)} }

// Copy writes the batch's head and the records of those packets whose verdict, at the same place of verdicts, is not
// 0, and returns how many packets that were. Every batch of a scanner has to be given to Copy, even if nothing
// in it matches, for later ones may need its head. It panics if there are fewer verdicts than packets.
func (c *Copier) Copy(b *Batch, verdicts []uint32) (int, error) {
	if _, err := c.buf.Write(b.Head); err != nil {
		return 0, err
	}
	verdicts = verdicts[:len(b.Packets)]
	copied := 0
	for i := 0; i < len(verdicts); i++ {
		if verdicts[i] == 0 {
			continue
		}
		first := i
		for i+1 < len(verdicts) && verdicts[i+1] != 0 && b.starts[i+1] == b.ends[i] {
			i++
		}
		copied += i + 1 - first
		if _, err := c.buf.Write(b.block[b.starts[first]:b.ends[i]]); err != nil {
			return copied, err
		}
	}
	return copied, nil
}

// Flush writes out what is held back.
func (c *Copier) Flush() error { return c.buf.Flush() }

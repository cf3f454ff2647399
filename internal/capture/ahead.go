// Implements reading ahead: on several processors, pieces of a file are copied out of the page cache at a time.

package capture

import (
	"io"
	"io/fs"
	"os"
	"runtime"
)

const (
	pieceRoom    = 512 << 10 // of the buffer for a piece, bytes
	mostPieces   = 4         // that are read at a time
	leastForward = 8 << 20   // no reading ahead in what is left of a file if that is less, bytes
)

// ahead reads the pieces of a file before they are asked for. Each read is a goroutine of its own that ends by
// itself: a scanner that is dropped leaves nothing behind.
type ahead struct {
	file  io.ReaderAt
	next  int64    // where the next piece starts in the file
	queue []*piece // being read, in the order of the file
}

// piece is a part of the file in a buffer that has space before it.
type piece struct {
	buf     []byte
	base, n int   // it starts at base and has n bytes
	err     error // why there are no more; nil only if the room is full
	done    chan struct{}
}

// regular is what a file is to have that can be read ahead.
type regular interface {
	io.ReaderAt
	io.Seeker
	Stat() (os.FileInfo, error)
}

// newAhead begins reading a source ahead, from where it stands. It returns nil if that cannot be done or does not pay.
func newAhead(source io.Reader) *ahead {
	file, ok := source.(regular)
	pieces := min(runtime.GOMAXPROCS(0), mostPieces)
	if !ok || pieces < 2 {
		return nil
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&fs.ModeType != 0 {
		return nil
	}
	at, err := file.Seek(0, io.SeekCurrent)
	if err != nil || info.Size()-at < leastForward {
		return nil
	}
	a := &ahead{file: file, next: at}
	for range pieces {
		a.read(make([]byte, carryRoom+pieceRoom), carryRoom)
	}
	return a
}

// read begins reading the next piece into a buffer whose room starts at base.
func (a *ahead) read(buf []byte, base int) {
	p := &piece{buf: buf, base: base, done: make(chan struct{})}
	at := a.next
	a.next += int64(len(buf) - base)
	a.queue = append(a.queue, p)
	go func() {
		p.n, p.err = a.file.ReadAt(p.buf[p.base:], at)
		if p.n == len(p.buf)-p.base {
			p.err = nil // the next piece will say
		}
		close(p.done)
	}()
}

// take waits for the next piece, with left in front of it, and has used, the buffer that left lies in, filled anew.
func (a *ahead) take(left, used []byte, base int) *piece {
	p := a.queue[0]
	a.queue = append(a.queue[:0], a.queue[1:]...)
	<-p.done
	if len(left) > p.base {
		more := (min(2*len(left), maxBlock) + 4095) &^ 4095
		buf := make([]byte, more+pieceRoom)
		copy(buf[more:], p.buf[p.base:p.base+p.n])
		p.buf, p.base = buf, more
	}
	copy(p.buf[p.base-len(left):], left)
	if p.err == nil && len(used)-base == pieceRoom {
		a.read(used, base)
	} else if p.err == nil {
		a.read(make([]byte, carryRoom+pieceRoom), carryRoom)
	}
	return p
}

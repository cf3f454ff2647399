// Implements a capture: batches of packets, waiting for them, and the end.

package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
)

// Capture is a running capture. Next and Release are for one goroutine at a time; the other methods are
// safe for concurrent use with them and each other.
type Capture struct {
	dev      device
	loopback int // number of the loopback interface if packets may come from it, else 0
	snap     int
	header   int // length of the cooked header
	file     *os.File
	conn     syscall.RawConn

	mu      sync.Mutex
	closed  bool
	ring    []byte // nil after the end
	block   int    // size of a block, bytes
	current int    // number of the block that is being read or comes next
	out     bool   // the current block's packets are with the caller
	packets [][]byte
	infos   []Info
	late    *classic.VM // the filter, if the kernel does not run it
	judged  spec.Packet // what it is run on
	stats   Stats
}

// LinkType returns the link type of the packets, a LINKTYPE_ value.
func (c *Capture) LinkType() uint16 { return c.dev.link }

// SnapLen returns how many bytes of a packet are kept at most.
func (c *Capture) SnapLen() int { return c.snap }

// Next waits for packets and returns those of a block of the ring, at least one, and what is known of them, at the
// same places. They are in the ring itself: everything that is returned belongs to the Capture, and is good until
// the next call of Next or Release. The caller may change the bytes. A packet comes at most some 20 ms late.
//
// When ctx is done, Next returns ctx.Err() at once; when the capture is closed, an error that wraps os.ErrClosed. If
// the interface goes down, the error wraps ENETDOWN; Next can be called again then, and waits until it is up.
func (c *Capture) Next(ctx context.Context) ([][]byte, []Info, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		found, err := c.take()
		if err != nil {
			return nil, nil, err
		}
		if len(c.packets) > 0 {
			return c.packets, c.infos, nil
		}
		if !found {
			if err := c.wait(ctx); err != nil {
				return nil, nil, err
			}
		}
	}
}

// take gives the last block back and reads the next one, if there is one.
func (c *Capture) take() (found bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
	if c.closed {
		return false, c.errClosed()
	}
	if !c.ready() {
		return false, nil
	}
	c.out = true
	return true, c.read()
}

// Release gives the packets of the last Next back to the ring before the next one does: when that will take long, or
// when there will be none. It may be called at any time.
func (c *Capture) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
}

func (c *Capture) release() {
	if c.out {
		c.handBack()
		c.out = false
	}
	if c.closed && c.ring != nil {
		unix.Munmap(c.ring) // cannot fail: it is a whole mapping
		c.ring = nil
	}
}

// recheck bounds how long wait relies on being woken: should that fail, a block is late and the capture goes on.
const recheck = 250 * time.Millisecond

// wait waits until the kernel hands over a block, or ctx is done, or it is time to look again.
func (c *Capture) wait(ctx context.Context) error {
	if err := c.file.SetReadDeadline(time.Now().Add(recheck)); err != nil {
		return c.errClosed()
	}
	stop := context.AfterFunc(ctx, func() { c.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var failed error
	err := c.conn.Read(func(fd uintptr) bool {
		c.mu.Lock()
		over := c.closed || c.ready()
		c.mu.Unlock()
		if over {
			return true
		}
		failed = socketError(int(fd))
		return failed != nil
	})
	switch {
	case failed != nil:
		return fmt.Errorf("capture on %q: %w", c.dev.name, failed)
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded): // Next looks at ctx and the ring
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.errClosed()
	}
	return fmt.Errorf("waiting for packets on %q: %w", c.dev.name, err)
}

func (c *Capture) errClosed() error { return fmt.Errorf("capture on %q: %w", c.dev.name, os.ErrClosed) }

// Stats returns the counters, after Close their last state.
func (c *Capture) Stats() (Stats, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.stats, nil
	}
	return c.stats, c.count()
}

// count adds what the kernel has counted; its counters start again at 0 whenever they are read.
func (c *Capture) count() error {
	var s *unix.TpacketStatsV3
	var err error
	if failed := c.conn.Control(func(fd uintptr) {
		s, err = unix.GetsockoptTpacketStatsV3(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	}); failed != nil {
		return failed
	}
	if err != nil {
		return os.NewSyscallError("getsockopt PACKET_STATISTICS", err)
	}
	c.stats.Received += uint64(s.Packets)
	c.stats.Dropped += uint64(s.Drops)
	return nil
}

// Close ends the capture. A Next that waits returns. Packets that the last Next has returned stay as they are
// until Release or Next is called, even after Close: call Release to give up the memory they are in.
func (c *Capture) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.errClosed()
	}
	err := c.count()
	c.closed = true
	c.mu.Unlock()

	err = errors.Join(err, c.file.Close()) // not under the lock: wait has to end first
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ring == nil {
		return err
	}
	if !c.out {
		c.release()
		return err
	}
	return errors.Join(err, c.keep())
}

// keep replaces the ring, which keeps the socket alive, by memory of the same look at the same addresses. Only
// the block that is with the caller is in it; the rest takes no room.
func (c *Capture) keep() error {
	size := uintptr(len(c.ring))
	fresh, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	at := c.current * c.block
	copy(unsafe.Slice((*byte)(fresh), size)[at:at+c.block], c.ring[at:])
	if _, err := unix.MremapPtr(fresh, size, unsafe.Pointer(&c.ring[0]), size, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED); err != nil {
		unix.MunmapPtr(fresh, size)
		return os.NewSyscallError("mremap", err)
	}
	return nil
}

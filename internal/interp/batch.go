// Implements running a program on many packets by one entry into machine code.

package interp

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/mem"
)

// batch is code that goes through a batch by itself, made when it is first asked for.
type batch struct {
	once sync.Once
	code *nativeCode
	err  error
}

// batchCode returns the code, or an error that wraps ErrNotSupported. It is for programs that are Straight and
// see nothing of a packet but what ld_abs and ld_ind read and its length in the context; the caller knows that.
func (c *Code) batchCode() (*nativeCode, error) {
	c.batch.once.Do(func() {
		if !c.Straight() || c.lowWords() > maxBatchStack {
			c.batch.err = fmt.Errorf("%w: a batch in machine code", ErrNotSupported)
			return
		}
		opts := c.opts
		opts.batch, opts.clear = true, c.lowWords()
		g, err := MachineCode(c.prog, opts)
		if err == nil {
			c.batch.code, err = c.load(g, opts)
		}
		c.batch.err = err
	})
	return c.batch.code, c.batch.err
}

// maxBatchStack is how many words of stack batch code clears for each packet at the most.
const maxBatchStack = 16

// lowWords returns how many words of the stack a program that uses one frame may touch.
func (c *Code) lowWords() int {
	if c.plain {
		return 0
	}
	return (mem.FrameSize - c.low) / 8
}

// A slice's header, bytes: its size, and where its length is. The length's low half comes first there.
const (
	sliceSize   = unsafe.Sizeof([]byte(nil))
	sliceLength = unsafe.Sizeof(uintptr(0))
)

// RunBatch runs the program on each packet and puts the low half of its result at the same place of results,
// which must be as long. lengths are those on the wire, as many; nil: there are as many bytes as each packet has.
// single runs the program on packet n, for what machine code leaves to others. RunBatch returns how many results
// there are, all of them unless there is an error. Instructions are not counted.
func (m *Machine) RunBatch(packets [][]byte, lengths, results []uint32, single func(n int) (uint64, error)) (int, error) {
	c, err := m.code.batchCode()
	if err != nil || len(packets) == 0 {
		return 0, err
	}
	results = results[:len(packets)]
	// Machine code has the slices as numbers: this keeps them where they are.
	m.packets, m.lengths, m.results = packets, lengths, results
	defer func() {
		m.packets, m.lengths, m.results, m.Packet, m.fuel = nil, nil, nil, nil, 0
	}()
	first := uintptr(unsafe.Pointer(&packets[0]))
	m.next, m.end = first, first+uintptr(len(packets))*sliceSize
	m.out = uintptr(unsafe.Pointer(&results[0]))
	m.lengthAt, m.lengthStep = first+sliceLength, sliceSize
	if lengths != nil {
		m.lengthAt, m.lengthStep = uintptr(unsafe.Pointer(&lengths[:len(packets)][0])), unsafe.Sizeof(lengths[0])
	}
	if !m.code.plain {
		m.cleanStack(1)
	}
	for {
		_, exit, _ := enter(m, c.start)
		switch exit & 3 {
		case amd64.LeaveDone:
			return len(packets), nil
		case amd64.LeaveYield:
			continue
		}
		n := int((m.next-first)/sliceSize) - 1
		next, end, out, lengthAt := m.next, m.end, m.out, m.lengthAt
		r0, err := single(n)
		if err != nil {
			return n, err
		}
		results[n] = uint32(r0)
		m.next, m.end, m.out, m.lengthAt = next, end, out+unsafe.Sizeof(results[0]), lengthAt
	}
}

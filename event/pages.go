// Implements the pages of the kernel's trace buffers: records out of what trace_pipe_raw gives.

package event

import (
	"encoding/binary"
	"fmt"
)

// The types of entries in a page that are not sizes (the kernel's enum ring_buffer_type).
const (
	entryPadding = 29
	entryExtend  = 30 // the time passes on by much
	entryStamp   = 31 // the time itself
)

// pageHeader is a page's time, 64 bits, and how many bytes of records follow, 64 bits of which the upper ones are flags.
const pageHeader = 16

// Record is a record of a trace buffer.
type Record struct {
	Time uint64 // of the buffer's clock, nanoseconds
	Data []byte
}

// ReadPage calls f for each record of a page as trace_pipe_raw of tracefs gives them, on a machine of 64 bits with its
// lowest byte first (events/header_page there). Data is part of page. It fails if an entry goes on behind the page's end.
func ReadPage(page []byte, f func(Record)) error {
	if len(page) < pageHeader {
		return fmt.Errorf("a trace page of %d bytes, at least %d", len(page), pageHeader)
	}
	now := binary.LittleEndian.Uint64(page)
	size := int(binary.LittleEndian.Uint64(page[8:]) & (1<<20 - 1))
	rest := page[pageHeader:]
	if size > len(rest) {
		return fmt.Errorf("a trace page says that it has %d bytes of records, and has %d", size, len(rest))
	}
	rest = rest[:size]
	for at := 0; at < size; {
		if size-at < 4 {
			return fmt.Errorf("byte %d of a trace page: half an entry", pageHeader+at)
		}
		head := binary.LittleEndian.Uint32(rest[at:])
		kind, delta := head&31, uint64(head>>5)
		start, length := at+4, int(kind)*4
		more := uint32(0)
		if kind == 0 || kind >= entryPadding {
			if size-start >= 4 {
				more = binary.LittleEndian.Uint32(rest[start:])
			} else if kind != entryPadding || delta != 0 {
				return fmt.Errorf("byte %d of a trace page: half an entry", pageHeader+at)
			}
		}
		switch kind {
		case entryPadding:
			if delta == 0 {
				return nil // to the end of the page
			}
			length = int(more)
		case entryExtend:
			delta |= uint64(more) << 27
			length = 4
		case entryStamp:
			now = now&^(1<<59-1) | delta | uint64(more)<<27
			delta, length = 0, 4
		case 0:
			length = int(more)
		}
		if length < 0 || length > size-start || kind == 0 && length < 4 {
			return fmt.Errorf("byte %d of a trace page: an entry of %d bytes", pageHeader+at, length)
		}
		now += delta
		data := rest[start : start+length]
		if kind == 0 {
			data = data[4:]
		}
		if kind < entryPadding {
			f(Record{now, data})
		}
		at = start + length
	}
	return nil
}

// Implements the helpers for messages on their way to a socket (sk_msg programs).

package helper

import (
	"encoding/binary"
	"math"
)

// Where struct sk_msg_md has its pointers and the message's size.
const (
	msgData    = 0
	msgDataEnd = 8
	msgSize    = 68
)

var messages = []Helper{
	{ID: 61, Name: "msg_apply_bytes", Args: []Arg{Context, Any}, Func: func(c *Call, _, n, _, _, _ uint64) (uint64, error) {
		c.out().Apply = uint32(n)
		return 0, nil
	}},
	{ID: 62, Name: "msg_cork_bytes", Args: []Arg{Context, Any}, Func: func(c *Call, _, n, _, _, _ uint64) (uint64, error) {
		c.out().Cork = uint32(n)
		return 0, nil
	}},
	{ID: 63, Name: "msg_pull_data", Args: []Arg{Context, Any, Any, Any}, ChangesPacket: true, Func: pullMessage},
	{ID: 90, Name: "msg_push_data", Args: []Arg{Context, Any, Any, Any}, ChangesPacket: true, Func: func(c *Call, _, at, n, flags, _ uint64) (uint64, error) {
		off, more := uint64(uint32(at)), uint64(uint32(n))
		switch {
		case flags != 0:
			return eINVAL.result()
		case more == 0:
			return 0, nil
		case off > uint64(len(c.packet())) || off+more > math.MaxInt32:
			return eINVAL.result()
		case uint64(len(c.packet()))+more > maxMessage:
			return eNOMEM.result()
		}
		c.showMessage(0, -1)
		err := c.insert(int(off), int(more))
		c.resizeMessage()
		return 0, err
	}},
	{ID: 91, Name: "msg_pop_data", Args: []Arg{Context, Any, Any, Any}, ChangesPacket: true, Func: func(c *Call, _, at, n, flags, _ uint64) (uint64, error) {
		off, less := uint64(uint32(at)), uint64(uint32(n))
		switch {
		case flags != 0:
			return eINVAL.result()
		case less == 0:
			return 0, nil
		case off >= uint64(len(c.packet())) || off+less > uint64(len(c.packet())):
			return eINVAL.result()
		}
		c.showMessage(0, -1)
		err := c.remove(int(off), int(less))
		c.resizeMessage()
		return 0, err
	}},
}

// maxMessage is how long a message may become: 17 pieces of a page each, as the kernel has them.
const maxMessage = 17 * 4096

// pullMessage makes bytes from start to end the ones that the program sees.
func pullMessage(c *Call, _, from, to, flags, _ uint64) (uint64, error) {
	start, end := uint32(from), uint32(to)
	if flags != 0 || end <= start || uint64(end) > uint64(len(c.packet())) {
		return eINVAL.result()
	}
	c.showMessage(int(start), int(end))
	return 0, nil
}

// showMessage moves the pointers in the context to the bytes from start to end of the message, -1 for all.
func (c *Call) showMessage(start, end int) {
	ctx, o := c.Context(), c.out()
	if len(ctx) < msgSize+4 {
		return
	}
	if end < 0 {
		end = len(c.packet())
	}
	base := binary.LittleEndian.Uint64(ctx[msgData:]) - uint64(o.window)
	binary.LittleEndian.PutUint64(ctx[msgData:], base+uint64(start))
	binary.LittleEndian.PutUint64(ctx[msgDataEnd:], base+uint64(end))
	o.window = start
}

// resizeMessage writes the message's size to the context.
func (c *Call) resizeMessage() {
	c.out().window = 0
	if len(c.Context()) >= msgSize+4 {
		c.put32(msgSize, uint32(len(c.packet())))
	}
}

// Implements loops: functions of the program that are called again and again, and iterators.

package helper

import (
	"encoding/binary"
	"math/bits"
)

// maxLoops is how often a function may be called by one loop, and how far a number iterator may go (BPF_MAX_LOOPS).
const maxLoops = 8 << 20

var loops = []Helper{
	{ID: 181, Name: "loop", Args: []Arg{Any, Function, StackMem | OrNull, Any},
		Callback: &Callback{Args: [MaxArgs]CallbackArg{CallbackScalar, CallbackPointer}, Max: 1},
		Func: func(c *Call, n, function, ctx, flags, _ uint64) (uint64, error) {
			n = uint64(uint32(n))
			switch {
			case flags != 0:
				return eINVAL.result()
			case n > maxLoops:
				return e2BIG.result32() // as where the kernel writes the loop into the program
			}
			for i := range n {
				r, err := c.CallFunction(function, i, ctx, 0, 0, 0)
				switch {
				case err != nil:
					return 0, err
				case r != 0:
					return i + 1, nil
				}
			}
			return n, nil
		}},
}

var iterators = []Helper{
	{Name: "bpf_iter_num_new", Kfunc: true, WhileLocked: true, Args: []Arg{Iterator | Fresh, Any, Any}, Objects: [MaxArgs]string{"bpf_iter_num"}, Func: numNew},
	{Name: "bpf_iter_num_next", Kfunc: true, WhileLocked: true, Args: []Arg{Iterator}, Objects: [MaxArgs]string{"bpf_iter_num"}, Result: ResultFixed | MayBeNull | ReadOnly, ResultSize: 4, Func: numNext},
	{Name: "bpf_iter_num_destroy", Kfunc: true, WhileLocked: true, Args: []Arg{Iterator | Releases}, Objects: [MaxArgs]string{"bpf_iter_num"}, Result: Void,
		Func: func(c *Call, it, _, _, _, _ uint64) (uint64, error) { return 0, c.clearIterator(it, 8) }},

	{Name: "bpf_iter_bits_new", Kfunc: true, Args: []Arg{Iterator | Fresh, Any | Ignored, Any}, Objects: [MaxArgs]string{"bpf_iter_bits"}, Func: bitsNew},
	{Name: "bpf_iter_bits_next", Kfunc: true, Args: []Arg{Iterator}, Objects: [MaxArgs]string{"bpf_iter_bits"}, Result: ResultFixed | MayBeNull | ReadOnly, ResultSize: 4, Func: bitsNext},
	{Name: "bpf_iter_bits_destroy", Kfunc: true, Args: []Arg{Iterator | Releases}, Objects: [MaxArgs]string{"bpf_iter_bits"}, Result: Void,
		Func: func(c *Call, it, _, _, _, _ uint64) (uint64, error) { return 0, c.clearIterator(it, 16) }},

	{Name: "bpf_iter_task_new", Kfunc: true, TrustedArgs: true, UnderRCU: true, Args: []Arg{Iterator | Fresh, Object | OrNull, Any}, Objects: [MaxArgs]string{"bpf_iter_task", "task_struct"}, Func: taskNew},
	{Name: "bpf_iter_task_next", Kfunc: true, Args: []Arg{Iterator}, Objects: [MaxArgs]string{"bpf_iter_task"}, Result: ResultObject | MayBeNull, ResultObject: "task_struct", Func: taskNext},
	{Name: "bpf_iter_task_destroy", Kfunc: true, Args: []Arg{Iterator | Releases}, Objects: [MaxArgs]string{"bpf_iter_task"}, Result: Void,
		Func: func(c *Call, it, _, _, _, _ uint64) (uint64, error) { return 0, c.clearIterator(it, 24) }},
}

func (c *Call) clearIterator(it uint64, size int) error {
	b, err := c.Bytes(it, size, true)
	if err == nil {
		clear(b)
	}
	return err
}

// A number iterator has the current number in its first half and the end in its second.
func numNew(c *Call, it, start, end, _, _ uint64) (uint64, error) {
	b, err := c.Bytes(it, 8, true)
	if err != nil {
		return 0, err
	}
	clear(b)
	first, last := int32(start), int32(end)
	switch {
	case first > last:
		return eINVAL.result32()
	case int64(last)-int64(first) > maxLoops:
		return e2BIG.result32()
	}
	binary.LittleEndian.PutUint32(b, uint32(first-1))
	binary.LittleEndian.PutUint32(b[4:], uint32(last))
	return 0, nil
}

func numNext(c *Call, it, _, _, _, _ uint64) (uint64, error) {
	b, err := c.Bytes(it, 8, true)
	if err != nil {
		return 0, err
	}
	next := int32(binary.LittleEndian.Uint32(b)) + 1
	if next >= int32(binary.LittleEndian.Uint32(b[4:])) {
		clear(b)
		return 0, nil
	}
	binary.LittleEndian.PutUint32(b, uint32(next))
	return it, nil
}

// A bit iterator has the bits, if they are one word, or the address of a copy, then their number and the current one.
func bitsNew(c *Call, it, addr, words, _, _ uint64) (uint64, error) {
	const maxWords = 511
	b, err := c.Bytes(it, 16, true)
	if err != nil {
		return 0, err
	}
	clear(b)
	binary.LittleEndian.PutUint32(b[12:], ^uint32(0))
	n := int(min(uint32(words), maxWords+1))
	switch {
	case addr == 0 || n == 0:
		return eINVAL.result32()
	case n > maxWords:
		return e2BIG.result32()
	}
	if n == 1 {
		if !c.readKernel(b[:8], addr) {
			clear(b[:8])
			return eFAULT.result32()
		}
	} else {
		copied := make([]byte, 8*n)
		if !c.readKernel(copied, addr) {
			return badKernel(addr).result32()
		}
		h, err := c.Handle(copied)
		if err != nil {
			return 0, err
		}
		binary.LittleEndian.PutUint64(b, h)
	}
	binary.LittleEndian.PutUint32(b[8:], uint32(64*n))
	return 0, nil
}

func bitsNext(c *Call, it, _, _, _, _ uint64) (uint64, error) {
	b, err := c.Bytes(it, 16, true)
	if err != nil {
		return 0, err
	}
	n, at := int(binary.LittleEndian.Uint32(b[8:])), int(int32(binary.LittleEndian.Uint32(b[12:])))
	data := b[:8]
	if n != 64 {
		data, _ = c.Object(binary.LittleEndian.Uint64(b)).([]byte)
		n = min(n, 8*len(data))
	}
	for at = max(at, -1) + 1; at < n; at = at&^63 + 64 {
		if word := binary.LittleEndian.Uint64(data[at/64*8:]) >> (at % 64); word != 0 {
			at += bits.TrailingZeros64(word)
			binary.LittleEndian.PutUint32(b[12:], uint32(at))
			return it + 12, nil
		}
	}
	binary.LittleEndian.PutUint32(b[12:], uint32(max(n, 0)))
	return 0, nil
}

// Flags of the task iterator.
const (
	allProcesses  = 0 // one task for each; 1 is all threads
	processThread = 2 // the threads of the task's process
)

// tasks are those that the iterator has ahead.
type tasks struct{ left []*Task }

// A task iterator has a handle of what is left.
func taskNew(c *Call, it, task, flags, _, _ uint64) (uint64, error) {
	b, err := c.Bytes(it, 24, true)
	if err != nil {
		return 0, err
	}
	clear(b)
	of := c.taskAt(task)
	switch {
	case uint32(flags) > processThread, uint32(flags) == processThread && of == nil:
		return eINVAL.result32()
	}
	all := []*Task{c.task()}
	if c.Env != nil {
		all = append(all, c.Env.Tasks...)
	}
	t := &tasks{}
	for _, o := range all {
		switch {
		case uint32(flags) == allProcesses && o.PID != o.TGID, uint32(flags) == processThread && o.TGID != of.TGID:
			continue
		}
		t.left = append(t.left, o)
	}
	h, err := c.Handle(t)
	if err != nil {
		return 0, err
	}
	binary.LittleEndian.PutUint64(b, h)
	return 0, nil
}

func taskNext(c *Call, it, _, _, _, _ uint64) (uint64, error) {
	b, err := c.Bytes(it, 24, true)
	if err != nil {
		return 0, err
	}
	t, _ := c.Object(binary.LittleEndian.Uint64(b)).(*tasks)
	if t == nil || len(t.left) == 0 {
		return 0, nil
	}
	next := t.left[0]
	t.left = t.left[1:]
	return c.taskPointer(next)
}

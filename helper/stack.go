// Implements the helpers for stack traces.

package helper

import "encoding/binary"

// Flags of the stack helpers (BPF_F_…).
const (
	stackSkip    = 0xff
	stackUser    = 1 << 8
	stackFast    = 1 << 9
	stackReuse   = 1 << 10
	stackBuildID = 1 << 11
)

const (
	buildIDSize   = 32 // of struct bpf_stack_build_id
	buildIDIsAddr = 2  // BPF_STACK_BUILD_ID_IP: there is no build ID, only the address
)

var stacks = []Helper{
	{ID: 67, Name: "get_stack", GPL: true, Args: []Arg{Context, MemOut, SizeOr0, Any}, Result: Errno,
		Func: func(c *Call, _, buf, size, flags, _ uint64) (uint64, error) {
			return c.stack(c.task(), buf, size, flags)
		}},
	{ID: 141, Name: "get_task_stack", Args: []Arg{Object, MemOut, SizeOr0, Any}, Objects: [MaxArgs]string{"task_struct"}, Result: Errno,
		Func: func(c *Call, task, buf, size, flags, _ uint64) (uint64, error) {
			t := c.taskAt(task)
			if t == nil {
				t = c.task()
			}
			return c.stack(t, buf, size, flags)
		}},
}

// stackOf returns the stack that flags ask for, without what they skip; nil if there is none.
func stackOf(t *Task, flags uint64) []uint64 {
	trace := t.KernelStack
	if flags&stackUser != 0 {
		trace = t.UserStack
	}
	skip := int(flags & stackSkip)
	if len(trace) == 0 || len(trace) < skip {
		return nil
	}
	return trace[skip:]
}

// stack writes a stack to a buffer and returns how many bytes that were.
func (c *Call) stack(t *Task, buf, size, flags uint64) (uint64, error) {
	b, err := c.Bytes(buf, int(uint32(size)), true)
	if err != nil {
		return 0, err
	}
	clear(b)
	step := 8
	if flags&stackBuildID != 0 {
		step = buildIDSize
	}
	if flags&^(stackSkip|stackUser|stackBuildID) != 0 || len(b)%step != 0 || flags&stackBuildID != 0 && flags&stackUser == 0 {
		return eINVAL.result()
	}
	trace := stackOf(t, flags)
	if trace == nil {
		return eFAULT.result()
	}
	n := 0
	for ; n < len(trace) && (n+1)*step <= len(b); n++ {
		e := b[n*step : (n+1)*step]
		if step == buildIDSize {
			e[0] = buildIDIsAddr
		}
		binary.LittleEndian.PutUint64(e[step-8:], trace[n])
	}
	return uint64(n * step), nil
}

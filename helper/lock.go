// Implements locks that programs take in map values, and the other sections that keep them to themselves.

package helper

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// A lock is a word in memory: 0 if it is free, 1, in little endian, if it is taken. Maps use it the same way when Go code
// updates or reads a value under its lock.
var lockTaken = binary.NativeEndian.Uint32([]byte{1, 0, 0, 0})

// lockPatience is how long a program waits for a lock before its run fails. Programs hold locks for a few
// instructions, so that a lock that is not given back has been forgotten. resPatience is the same for resilient locks,
// which give up by themselves.
const (
	lockPatience = 2 * time.Second
	resPatience  = 250 * time.Millisecond
)

// lockWord returns the word at an address.
func (c *Call) lockWord(addr uint64) (*uint32, error) {
	b, err := c.Bytes(addr, 4, true)
	if err != nil {
		return nil, err
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if uintptr(p)%4 != 0 {
		return nil, fmt.Errorf("the lock at %#x is not aligned", addr)
	}
	return (*uint32)(p), nil
}

// take waits for a lock, and reports whether it got it in time.
func take(word *uint32, patience time.Duration) bool {
	var start time.Time
	for n := 0; !atomic.CompareAndSwapUint32(word, 0, lockTaken); n++ {
		switch {
		case n < 16:
		case n < 200:
			runtime.Gosched()
		case start.IsZero():
			start = time.Now()
		case time.Since(start) > patience:
			return false
		default:
			time.Sleep(20 * time.Microsecond)
		}
	}
	return true
}

// lockWaits reports whether a resilient lock was taken in time.
func resLock(c *Call, addr uint64) (uint64, error) {
	word, err := c.lockWord(addr)
	switch {
	case err != nil:
		return 0, err
	case take(word, resPatience):
		return 0, nil
	}
	return eTIMEDOUT.result32()
}

func unlock(c *Call, addr uint64) (uint64, error) {
	word, err := c.lockWord(addr)
	if err != nil {
		return 0, err
	}
	if atomic.LoadUint32(word) == lockTaken {
		if err := c.saveBlocks(); err != nil {
			return 0, err
		}
	}
	if !atomic.CompareAndSwapUint32(word, lockTaken, 0) {
		return 0, fmt.Errorf("the lock at %#x is not taken", addr)
	}
	return 0, nil
}

// nothing is the body of helpers that mean something to the verifier only.
func nothing(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return 0, nil }

var locks = []Helper{
	{ID: 93, Name: "spin_lock", Args: []Arg{LockField}, Result: Void, Locks: true, Func: func(c *Call, lock, _, _, _, _ uint64) (uint64, error) {
		word, err := c.lockWord(lock)
		switch {
		case err != nil:
			return 0, err
		case !take(word, lockPatience):
			return 0, fmt.Errorf("the lock at %#x was not free for %v: somebody has not given it back", lock, lockPatience)
		}
		return 0, nil
	}},
	{ID: 94, Name: "spin_unlock", Args: []Arg{LockField}, Result: Void, Unlocks: true,
		Func: func(c *Call, lock, _, _, _, _ uint64) (uint64, error) { return unlock(c, lock) }},
}

var sections = []Helper{
	{Name: "bpf_res_spin_lock", Kfunc: true, Args: []Arg{ResLockField}, Result: Scalar, Locks: true,
		Func: func(c *Call, lock, _, _, _, _ uint64) (uint64, error) { return resLock(c, lock) }},
	{Name: "bpf_res_spin_unlock", Kfunc: true, Args: []Arg{ResLockField}, Result: Void, Unlocks: true,
		Func: func(c *Call, lock, _, _, _, _ uint64) (uint64, error) { return unlock(c, lock) }},
	{Name: "bpf_res_spin_lock_irqsave", Kfunc: true, Args: []Arg{ResLockField, IRQFlag | Fresh}, Locks: true, Enters: InterruptsOff,
		Func: func(c *Call, lock, flags, _, _, _ uint64) (uint64, error) {
			if err := c.saveFlags(flags); err != nil {
				return 0, err
			}
			return resLock(c, lock)
		}},
	{Name: "bpf_res_spin_unlock_irqrestore", Kfunc: true, Args: []Arg{ResLockField, IRQFlag | Releases}, Result: Void, Unlocks: true, Leaves: InterruptsOff,
		Func: func(c *Call, lock, _, _, _, _ uint64) (uint64, error) { return unlock(c, lock) }},

	{Name: "bpf_rcu_read_lock", Kfunc: true, Result: Void, Enters: RCURead, Func: nothing},
	{Name: "bpf_rcu_read_unlock", Kfunc: true, Result: Void, Leaves: RCURead, Func: nothing},
	{Name: "bpf_preempt_disable", Kfunc: true, Result: Void, Enters: PreemptOff, Func: nothing},
	{Name: "bpf_preempt_enable", Kfunc: true, Result: Void, Leaves: PreemptOff, Func: nothing},
	{Name: "bpf_local_irq_save", Kfunc: true, Args: []Arg{IRQFlag | Fresh}, Result: Void, Enters: InterruptsOff,
		Func: func(c *Call, flags, _, _, _, _ uint64) (uint64, error) { return 0, c.saveFlags(flags) }},
	{Name: "bpf_local_irq_restore", Kfunc: true, Args: []Arg{IRQFlag | Releases}, Result: Void, Leaves: InterruptsOff, Func: nothing},
}

// interruptsOn is the flags word of a processor that lets itself be interrupted (x86's IF and the bit that is always set).
const interruptsOn = 0x202

// saveFlags writes the processor's flags to the stack.
func (c *Call) saveFlags(addr uint64) error {
	b, err := c.Bytes(addr, 8, true)
	if err == nil {
		binary.LittleEndian.PutUint64(b, interruptsOn)
	}
	return err
}

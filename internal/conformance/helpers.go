// Implements the helpers of the public conformance suite.

// Package conformance holds what the public BPF conformance suite expects a runtime to have: the helpers that
// its programs call.
package conformance

import "github.com/skepbpf/skep/helper"

// Helpers are the helpers that uBPF's test programs register, which the public suite took over. They change
// nothing but the memory that they are pointed to, and are safe for concurrent use.
var Helpers = []helper.Helper{
	{ID: 0, Name: "gather_bytes", Args: make([]helper.Arg, 5), Func: func(_ *helper.Call, r1, r2, r3, r4, r5 uint64) (uint64, error) {
		return uint64(uint8(r1))<<32 | uint64(uint8(r2))<<24 | uint64(uint8(r3))<<16 | uint64(uint8(r4))<<8 | uint64(uint8(r5)), nil
	}},
	{ID: 1, Name: "memfrob", Args: []helper.Arg{helper.MemOut, helper.SizeOr0}, Func: memfrob},
	{ID: 2, Name: "trash_registers", Func: func(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) {
		return 0xf0, nil // the registers R1 to R5 are the engine's to spoil
	}},
	{ID: 3, Name: "sqrti", Args: make([]helper.Arg, 1), Func: func(_ *helper.Call, r1, _, _, _, _ uint64) (uint64, error) {
		return squareRoot(uint32(r1)), nil
	}},
	{ID: 4, Name: "strcmp_ext", Args: make([]helper.Arg, 2), Func: compareStrings},
	{ID: 5, Name: "unwind", Args: make([]helper.Arg, 1), Func: unwind},
}

// unwind returns its argument, and ends the program if that is zero.
func unwind(_ *helper.Call, r1, _, _, _, _ uint64) (uint64, error) {
	if r1 == 0 {
		return 0, helper.ErrExit
	}
	return r1, nil
}

// memfrob flips bits of the r2 bytes at r1 and returns r1.
func memfrob(m *helper.Call, r1, r2, _, _, _ uint64) (uint64, error) {
	b, err := m.Bytes(r1, int(min(r2, 1<<30)), true)
	if err != nil {
		return 0, err
	}
	for i := range b {
		b[i] ^= 42
	}
	return r1, nil
}

// squareRoot rounds down.
func squareRoot(n uint32) (root uint64) {
	for bit := uint64(1) << 15; bit > 0; bit >>= 1 {
		if (root|bit)*(root|bit) <= uint64(n) {
			root |= bit
		}
	}
	return root
}

// compareStrings returns the difference of the first bytes that differ, 0 if the strings are equal.
func compareStrings(m *helper.Call, r1, r2, _, _, _ uint64) (uint64, error) {
	for ; ; r1, r2 = r1+1, r2+1 {
		a, err := m.Bytes(r1, 1, false)
		if err != nil {
			return 0, err
		}
		b, err := m.Bytes(r2, 1, false)
		if err != nil {
			return 0, err
		}
		if a[0] != b[0] || a[0] == 0 {
			return uint64(int64(a[0]) - int64(b[0])), nil
		}
	}
}

// Implements the helpers that the public suite expects an engine to have.

package enginetest

// Memory is the memory of a running program. Bytes returns the n bytes at an address, to read or, with
// write, to change; it fails if the program itself might not do so. *helper.Call is one.
type Memory interface {
	Bytes(addr uint64, n int, write bool) ([]byte, error)
}

// Helper is a function that vectors call by its number.
type Helper struct {
	ID   int32
	Name string
	Args int // how many of the five arguments it looks at
	Func func(m Memory, r1, r2, r3, r4, r5 uint64) (uint64, error)
}

// Helpers are the helpers that the test programs of uBPF register, which the public suite took over. They
// change nothing but the memory that they are pointed to, and are safe for concurrent use.
var Helpers = []Helper{
	{0, "gather_bytes", 5, func(_ Memory, r1, r2, r3, r4, r5 uint64) (uint64, error) {
		return uint64(uint8(r1))<<32 | uint64(uint8(r2))<<24 | uint64(uint8(r3))<<16 | uint64(uint8(r4))<<8 | uint64(uint8(r5)), nil
	}},
	{1, "memfrob", 2, memfrob},
	{2, "trash_registers", 0, func(Memory, uint64, uint64, uint64, uint64, uint64) (uint64, error) {
		return 0xf0, nil // the registers R1 to R5 are the engine's to spoil
	}},
	{3, "sqrti", 1, func(_ Memory, r1, _, _, _, _ uint64) (uint64, error) { return squareRoot(uint32(r1)), nil }},
	{4, "strcmp_ext", 2, compareStrings},
	{5, "unwind", 1, func(_ Memory, r1, _, _, _, _ uint64) (uint64, error) { return r1, nil }},
}

// memfrob flips bits of the r2 bytes at r1 and returns r1.
func memfrob(m Memory, r1, r2, _, _, _ uint64) (uint64, error) {
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
func compareStrings(m Memory, r1, r2, _, _, _ uint64) (uint64, error) {
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

// Implements what has been proved about a program, as the verifier tells and compilers read it.

package ir

// Facts is what is known of every run of a program that has been proved safe: no access leaves its memory, nothing is
// read that was not written, every loop ends. What else compilers need to know stands here. Slices are by Index; nil
// ones tell nothing.
type Facts struct {
	// Loads tells of loads from the context what they load, beyond numbers. The field in the context has 32 bits;
	// the address may have 64.
	Loads []Load
	// Dead tells of instructions that no run reaches; see Program.Decided.
	Dead []bool
	// Unwritten tells that the program may read bytes of the stack that nothing has written.
	Unwritten bool
	// MaxInsns bounds how many instructions a run executes, those of functions that helpers call not counted; 0: not known.
	MaxInsns uint64
}

// Load is what a load from the context loads.
type Load uint8

// What loads from the context load.
const (
	LoadNumber     Load = iota // a number, or a pointer that stands in the context in full
	LoadPacket                 // address of the packet's first byte
	LoadPacketEnd              // address behind its last
	LoadPacketMeta             // address of the metadata ahead of it
)

// LoadAt returns what instruction i loads from the context.
func (f *Facts) LoadAt(i Index) Load {
	if f == nil || f.Loads == nil {
		return LoadNumber
	}
	return f.Loads[i]
}

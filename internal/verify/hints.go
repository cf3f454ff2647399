// Implements hints: what would help against each class of error.

package verify

// hints say what would help, by the class of the error.
var hints = map[Code]string{
	Unreachable:    "remove the instructions, or the jump over them",
	Loop:           "unroll the loop, or use a profile that allows loops",
	InfiniteLoop:   "make something change in each round that the condition of the loop looks at",
	TooComplex:     "give loops smaller bounds, put branches that look alike into one, or split the program by tail calls",
	TooDeep:        "call fewer functions inside each other",
	StackTooDeep:   "use less stack: put large variables into a per-CPU array",
	Recursion:      "turn the recursion into a loop",
	UnreadRegister: "set the register on every path that leads here; what must survive a call belongs into R6 to R9 or on the stack",
	PointerArith:   "limit the number right before it is added: compare it as an unsigned number, or & it with a mask",
	PointerCompare: "compare numbers, or compare with the packet's end or with 0",
	PointerLeak:    "do not store, pass or return the address itself",
	DivisionByZero: "divide by something else than 0",
	BadShift:       "shift by less than the width",
	NotPointer:     "use a register that holds an address; a number that was read from memory is none: copy what is there by bpf_probe_read_kernel or bpf_probe_read_user, where the program may",
	MaybeNull:      "compare the register with 0 and use it only on the branch where it is not",
	BadStack:       "keep all bytes of the access between -512 and -1 from R10",
	UninitStack:    "write all bytes that are read, padding between fields too: set the whole variable to zero first, by = {} or memset",
	CorruptStack:   "save and load addresses as 8 bytes at a multiple of 8",
	BadContext:     "access a field at its offset and with its size; which fields can be read or written depends on the program's type",
	BadPacket:      "compare the address plus the size of the access with data_end, after the last change of the address, and access only if it does not lie behind: if (p + 1 > data_end) return",
	BadMapValue:    "compare the index with the number of elements right before the access, as an unsigned number: if (i >= n) return",
	BadMemory:      "compare the offset with the size of the memory right before the access, as an unsigned number",
	ReadOnly:       "write to a copy",
	WriteOnly:      "use another map: this one was made to be written only",
	Misaligned:     "access at a multiple of the size, or use smaller accesses",
	BadHelper:      "use a helper that programs of this type may call, or another type of program",
	BadArgument:    "pass what the helper takes; limit a size right before the call: if (n == 0 || n > sizeof(buf)) return",
	BadMap:         "use a map of a type that the helper works on",
	BadReturn:      "set R0 to one of the allowed results on every path",
	BadCallback:    "let the callback return 0 to go on or 1 to stop",
	Unreleased:     "release it on every path, also on those that end early",
	NotReference:   "release what was acquired, once, after it was compared with 0",
	LockHeld:       "give the lock back first",
	LockMisuse:     "take one lock at a time, and give back the one that was taken",
	BadPacketLoad:  "use it in a socket filter or tc program, outside of functions, with the context in R6",
	BadDynptr:      "make the dynptr or iterator first, use it only through helpers, and release it",
	BadAtomic:      "use atomic operations on map values and the stack",
	MixedPointers:  "give each kind of pointer an access of its own",
	BadAttach:      "give an attach type of this type of program, and a target that the kernel has",
	BadObject:      "read whole fields at the offsets that the kernel's types say, directly or by bpf_core_read, which moves them for each kernel",
}

// lossHints say what would help where an address was lost.
var lossHints = [...]string{
	lostByPacket:  "the call may move the packet: load data and data_end from the context again behind it, and compare again",
	lostByRelease: "do not use it any more once it is released",
	lostByCall:    "",
}

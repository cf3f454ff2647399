// Package asm turns text into programs and programs into text.
//
// Every spelling comes from the table in package isa: a row that is added there, or an extension
// instruction that is registered, can be written and printed at once. This package knows no opcode.
//
// # Dialects
//
// The same program, r0 = *(u16 *)(r1 + 12) compared with 8, in the three dialects:
//
//	Assign                          UBPF                     Doc
//	r0 = *(u16 *)(r1 + 12)          ldxh %r0, [%r1+12]       bpf_ldxh R0, [R1+12]
//	if r0 == 8 goto match           jeq %r0, 8, match        bpf_jeq R0, 8, match
//	r0 = 0                          mov %r0, 0               bpf_mov R0, 0
//	exit                            exit                     bpf_exit
//	match:                          match:                   match:
//	r0 = 1                          mov %r0, 1               bpf_mov R0, 1
//	exit                            exit                     bpf_exit
//
// A file has one dialect. [Assemble] recognises it by the first statement that has only one reading, among
// the first thousand; without any it is Assign.
//
// # Text
//
// A line holds one statement at most. Names are letters, digits, '_', '.', '$' and '@', or anything in double
// quotes. Numbers are decimal, hexadecimal (0x), octal (0o), binary (0b), or a character such as 'a'.
// A 32-bit field takes -2147483648 to 4294967295, a 64-bit field -2^63 to 2^64-1, an offset -32768 to 32767.
//
//	label:                      a name for the instruction that follows
//	goto label                  jumps take a label, or a distance: +5, -3, pc+5
//	call 5                      a helper by number
//	call ktime_get_ns           a helper by name (bpf_ktime_get_ns too), unless it is a label
//	call ktime_get_ns#5         both, as printed
//	call label                  a function of the program; also call pc+5 (call local label in mnemonics)
//	call helper ktime_get_ns    a helper, even if the name is a label
//	call kfunc 1234 module 2    a kernel function by BTF id, in the module's BTF at that index
//	call kfunc name             a kernel function by name
//	r1 = map[name]              a map (lddw %r1, map[name] in mnemonics); fd:5 for a descriptor
//	r1 = map[name][0]+16        an address in its first value
//	r1 = map_idx[0]             a map by its index in the loader's list; also map_idx[0][0]+16
//	r1 = var[id:7]              a kernel variable by BTF id; id:7 fd:2 for one of a module
//	r1 = func[label]            the address of a function; also func[pc+5]
//	.insn 0x1122334455667788    slots as numbers: the lowest byte is the opcode
//
// In mnemonics, a jump to exit where there is no such label goes to the first exit instruction, as the
// public conformance vectors mean it.
//
// Comments start with ';', '#' or '//' and go to the end of the line, or stand between '/*' and '*/'. An
// instruction behind a semicolon is refused: other assemblers would run it.
//
// # Listings
//
// What printers put around instructions is read, so that a listing can be assembled as it is: the number in
// front ("12:"), the opcode ("(b7)", bpftool and the verifier), the instruction's bytes (llvm-objdump), the
// name of a jump's target behind it ("<LBB0_1>"), and the headings of functions and sections. Numbers must
// run on, opcodes and bytes must agree with the text: a listing that was cut or changed is refused, since
// its jumps would be wrong.
//
// # Example
//
//	prog, err := asm.Assemble("answer.bpf", "r0 = 42\nexit\n", nil)
//	text, err := asm.Disassemble(prog, &asm.Options{Dialect: asm.UBPF})
package asm

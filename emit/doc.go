// Package emit is BPF as a generic assembler: Go code that knows a table at run time - a set of ports, a routing
// table, a state machine, a list of rules - writes instructions for it, and gets a function back that runs them as
// machine code where there is a JIT, and by the interpreter elsewhere.
//
//	c := emit.New("even")
//	c.Ins(isa.Ldx8.Make(isa.R0, isa.R1, 0, 0)) // R1 is the address of the data, R2 its length
//	c.Ins(isa.And64Imm.Make(isa.R0, 0, 0, 1))
//	c.Ins(isa.Xor64Imm.Make(isa.R0, 0, 0, 1))
//	c.Ins(isa.Exit.Make(0, 0, 0, 0))
//	even, err := c.Func(nil)
//	r0, err := even.Run([]byte{42})
//
// Instructions are those of package isa, in the words of RFC 9669. Code adds what makes writing them by program
// easy: labels that stand ahead or behind at any distance, constants of 64 bits, constant tables in memory, and
// searches: sorted cases become a tree of comparisons, sets of numbers whatever is fastest to look up.
//
// Code runs checked, on copies of its data, or without checks, in place, if it is proved (Code.Proved) that it accesses
// nothing but the memory that its argument is described as: so long, with addresses here and there. Then it is a plain Go
// function of an address.
//
// Code that is to be a plain Go function (Func.Pointer), the fastest form, must keep to R0 to R7 and R9, and use
// neither the stack nor calls.
package emit

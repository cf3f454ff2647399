// Implements the dialects, the options and the limits of the package.

package asm

import (
	"fmt"
	"strings"

	"github.com/skepbpf/skep/isa"
)

// MaxSource is the length in bytes of the longest text that Assemble takes, 16 MiB. A program has at most
// isa.ProfileLinux.MaxInstructions slots, and a text at most that many labels.
const MaxSource = 16 << 20

// Dialect is a way to write instructions.
type Dialect uint8

const (
	// Auto lets Assemble recognise the dialect by the first statement that has only one reading. Printing
	// takes it as Assign.
	Auto Dialect = iota
	// Assign is the style of clang, llvm-objdump, bpftool and the kernel's verifier: r0 += r1.
	Assign
	// UBPF is the mnemonics of uBPF and the public conformance vectors: add %r0, %r1.
	UBPF
	// Doc is the style of the Linux kernel's first document of internal BPF, of 2014: bpf_add R0, R1. These are
	// uBPF's mnemonics with bpf_ in front of each instruction; it may be left out.
	Doc
)

var dialectNames = [...]string{"auto", "assign", "ubpf", "doc"}

// String returns the dialect's name as ParseDialect reads it.
func (d Dialect) String() string {
	if int(d) < len(dialectNames) {
		return dialectNames[d]
	}
	return fmt.Sprintf("dialect(%d)", uint8(d))
}

// ParseDialect returns the dialect of a name: auto, assign, ubpf or doc.
func ParseDialect(name string) (Dialect, error) {
	for i, n := range dialectNames {
		if n == name {
			return Dialect(i), nil
		}
	}
	return Auto, fmt.Errorf("unknown dialect %q: it is one of %s", name, strings.Join(dialectNames[:], ", "))
}

// describe names the dialect in messages.
func (d Dialect) describe() string {
	switch d {
	case UBPF:
		return "uBPF mnemonics"
	case Doc:
		return "the 2014 document's style"
	}
	return "assignment style"
}

// style returns the column of spellings that the dialect uses.
func (d Dialect) style() style {
	if d == UBPF || d == Doc {
		return styleMnemonic
	}
	return styleText
}

// docPrefix stands in front of each instruction in Doc.
const docPrefix = "bpf_"

// Options says how to read and print. The zero value, or nil, does for most. An Options may be used by
// several goroutines as long as nobody changes it and its functions can be.
type Options struct {
	Dialect Dialect  // Auto recognises the dialect on reading, and prints Assign
	Set     *isa.Set // the instructions there are; nil is isa.Linux

	// Helper returns the number of a helper, for reading. It is asked for the name as written, then for the
	// name without bpf_ in front. A call to a helper it does not know, or any without it, becomes a
	// spec.CallRef.
	Helper func(name string) (id int32, ok bool)

	// HelperName returns the name of a helper, for printing: call ktime_get_ns#5.
	HelperName func(id int32) (name string, ok bool)

	// Raw prints what is no instruction as .insn with the eight bytes as a number, and references that do
	// not fit their instruction as comments, where Disassemble fails otherwise.
	Raw bool

	// Numbers prints each instruction's slot number in front of it.
	Numbers bool
}

// orDefault returns a copy of o with nothing left to default.
func (o *Options) orDefault() Options {
	if o == nil {
		o = &Options{}
	}
	out := *o
	if out.Set == nil {
		out.Set = isa.Linux
	}
	return out
}

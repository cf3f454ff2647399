// Implements the listing of the verb jit: machine code beside BPF, as text and as JSON.

package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"golang.org/x/arch/x86/x86asm"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// jitListing is a compiled program with what it takes to show it.
type jitListing struct {
	program   *spec.Program
	decoded   *ir.Program
	native    *jit.Native
	inside    bool             // the code runs inside Skep, not by itself
	sandboxed bool             // and checks accesses
	names     map[int32]string // of helpers that have no number of their own
	text      map[int]string   // of BPF instructions, by slot
}

// codePart is a stretch of code with one origin: a BPF instruction, or none but a title.
type codePart struct {
	title    string
	slot     int // -1 if it comes from no BPF instruction
	from, to int // offsets
}

// parts splits the code of function n.
func (l *jitListing) parts(n int) []codePart {
	f, code := l.decoded.Funcs[n], l.native.Funcs[n]
	var out []codePart
	if code.Body > code.Start {
		out = append(out, codePart{"prologue", -1, code.Start, code.Body})
	}
	for i := f.Entry; i < f.End; i++ {
		end := code.Tail
		if i+1 < f.End {
			end = l.native.Insns[i+1]
		}
		slot := int(l.decoded.Slots[i])
		out = append(out, codePart{fmt.Sprintf("%4d: %s", slot, l.text[slot]), slot, l.native.Insns[i], end})
	}
	tail := "epilogue"
	if l.inside {
		tail = "ways out"
	}
	if code.End > code.Tail {
		out = append(out, codePart{tail, -1, code.Tail, code.End})
	}
	next := len(l.native.Code)
	if n+1 < len(l.native.Funcs) {
		next = l.native.Funcs[n+1].Start
	}
	if next > code.End {
		out = append(out, codePart{"padding", -1, code.End, next})
	}
	return out
}

// function returns the name of function n.
func (l *jitListing) function(n int) string {
	if n == 0 {
		return l.program.Name
	}
	slot := int(l.decoded.Slots[l.decoded.Funcs[n].Entry])
	for _, s := range l.program.Symbols {
		if s.Insn == slot {
			return s.Name
		}
	}
	return fmt.Sprintf("func%d", n)
}

// helper returns the name of a helper.
func (l *jitListing) helper(id int32) string {
	if name, ok := l.names[id]; ok {
		return name
	}
	if name, ok := helper.Name(id); ok {
		return name
	}
	return fmt.Sprintf("helper_%d", id)
}

// machineInsn is one machine instruction.
type machineInsn struct {
	offset int
	bytes  []byte
	text   string
}

// disassemble splits a part into machine instructions.
func (l *jitListing) disassemble(p codePart) []machineInsn {
	var out []machineInsn
	for at := p.from; at < p.to; {
		in, err := x86asm.Decode(l.native.Code[at:p.to], 64)
		text := ""
		if err != nil {
			in.Len, text = 1, fmt.Sprintf(".byte %#x", l.native.Code[at])
		} else {
			text = l.machineText(in, at)
		}
		out = append(out, machineInsn{at, l.native.Code[at : at+in.Len], text})
		at += in.Len
	}
	return out
}

// machineText returns the text of a machine instruction: calls with names, jumps with the offset they go to.
func (l *jitListing) machineText(in x86asm.Inst, at int) string {
	for i, arg := range in.Args {
		if m, ok := arg.(x86asm.Mem); ok {
			m.Disp = int64(int32(m.Disp)) // which the decoder leaves without its sign
			in.Args[i] = m
		}
	}
	text := strings.ReplaceAll(x86asm.GNUSyntax(in, uint64(at), nil), ",%riz,1", "") // which stands for no index
	if in.Op == x86asm.MOVSXD {
		text = strings.Replace(text, "movsxd", "movslq", 1) // the name in this syntax
	}
	rel, ok := in.Args[0].(x86asm.Rel)
	if !ok {
		return text
	}
	mnemonic, _, _ := strings.Cut(text, " ")
	for _, c := range l.native.Calls {
		if c.Off == at+in.PCRelOff {
			return mnemonic + " " + l.helper(c.ID)
		}
	}
	target := at + in.Len + int(rel)
	for n, f := range l.native.Funcs {
		if in.Op == x86asm.CALL && f.Start == target {
			return fmt.Sprintf("%s %#x <%s>", mnemonic, target, l.function(n))
		}
	}
	return fmt.Sprintf("%s %#x", mnemonic, target)
}

// registerMap is a line that says which machine register holds which BPF register.
func registerMap(registers [isa.NumRegisters]amd64.Reg) string {
	names := make([]string, len(registers))
	for r, m := range registers {
		names[r] = fmt.Sprintf("R%d %s", r, strings.ToLower((x86asm.RAX + x86asm.Reg(m)).String()))
	}
	return strings.Join(names, ", ")
}

// print prints the listing for people.
func (l *jitListing) print(w io.Writer) error {
	switch {
	case l.sandboxed:
		fmt.Fprintf(w, "; x86-64, sandboxed; %s\n", registerMap(amd64.SandboxMap))
	case l.inside:
		fmt.Fprintf(w, "; x86-64, verified, without checks; %s\n", registerMap(amd64.Map))
	default:
		fmt.Fprintf(w, "; x86-64, C convention; %s\n", registerMap(amd64.Map))
	}
	var rows [][]string
	for n := range l.native.Funcs {
		rows = append(rows, []string{l.function(n) + ":"})
		for _, p := range l.parts(n) {
			insns := l.disassemble(p)
			if len(insns) == 0 {
				rows = append(rows, []string{p.title})
			}
			for i, in := range insns {
				title := ""
				if i == 0 {
					title = p.title
				}
				if p.slot < 0 && title != "" {
					title = "      " + title
				}
				rows = append(rows, []string{title, fmt.Sprintf("%x:", in.offset), fmt.Sprintf("% x", in.bytes), in.text})
			}
		}
	}
	columns(w, rows, 1)
	size, count := len(l.native.Code), len(l.decoded.Ins)
	_, err := fmt.Fprintf(w, "%d bytes for %d instructions (%.1f each)\n", size, count, float64(size)/float64(count))
	return err
}

// nativeInsn is a machine instruction as JSON. Insn and BPF are null in prologues and epilogues.
type nativeInsn struct {
	Func   string  `json:"func"`
	Offset int     `json:"offset"`
	Bytes  string  `json:"bytes"`
	Native string  `json:"native"`
	Insn   *int    `json:"insn"`
	BPF    *string `json:"bpf"`
}

func (l *jitListing) printJSON(w io.Writer) error {
	for n := range l.native.Funcs {
		for _, p := range l.parts(n) {
			for _, in := range l.disassemble(p) {
				out := nativeInsn{Func: l.function(n), Offset: in.offset, Bytes: hex.EncodeToString(in.bytes), Native: in.text}
				if p.slot >= 0 {
					text := l.text[p.slot]
					out.Insn, out.BPF = &p.slot, &text
				}
				if err := jsonLine(w, out); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

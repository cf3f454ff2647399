// Implements the readers of the two forms that are plain numbers, tcpdump -dd and -ddd.

package classic

import (
	"math"

	"golang.org/x/net/bpf"
)

// initializers reads what tcpdump -dd and bpf_asm -c print, C initializers: { 0x28, 0, 0, 0x0000000c },
func (p *parser) initializers() {
	for p.skipLines(); p.tok.kind != tokEnd; p.skipLines() {
		first := p.tok
		p.expect("{")
		var in bpf.RawInstruction
		in.Op = uint16(p.unsigned("an opcode", math.MaxUint16))
		p.expect(",")
		in.Jt = uint8(p.unsigned("jt", math.MaxUint8))
		p.expect(",")
		in.Jf = uint8(p.unsigned("jf", math.MaxUint8))
		p.expect(",")
		in.K = p.k()
		p.expect("}")
		if !p.accept(",") && !p.atLineEnd() {
			p.expected(`"," or end of line`)
		}
		p.append(first, in)
	}
}

// decimals reads what tcpdump -ddd prints: the number of instructions, then a line of four numbers for each.
// Commas may stand for the ends of lines, as bpf_asm, iptables and tc have it.
func (p *parser) decimals() {
	p.skipLines()
	count := p.unsigned("the number of instructions", MaxInstructions)
	for p.endRecord(); p.tok.kind != tokEnd; p.endRecord() {
		first := p.tok
		if uint64(len(p.prog)) == count {
			p.fail(first, "expected end of text after %d instructions, found %s", count, first.show())
			return
		}
		var in bpf.RawInstruction
		in.Op = uint16(p.unsigned("an opcode", math.MaxUint16))
		in.Jt = uint8(p.unsigned("jt", math.MaxUint8))
		in.Jf = uint8(p.unsigned("jf", math.MaxUint8))
		in.K = p.k()
		p.append(first, in)
	}
	if p.err == nil && uint64(len(p.prog)) != count {
		p.fail(p.tok, "expected %d instructions, found %d", count, len(p.prog))
	}
}

// endRecord passes over the end of a line of numbers, and empty lines.
func (p *parser) endRecord() {
	if !p.atLineEnd() && !p.tok.is(",") {
		p.expected("end of line")
		return
	}
	for p.tok.kind == tokNewline || p.tok.is(",") {
		p.advance()
	}
}

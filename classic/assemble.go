// Implements the reader of bpf_asm text and of tcpdump -d listings, which share the spelling of instructions.

package classic

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// spelling is one meaning of a mnemonic.
type spelling struct {
	row  *Row
	swap bool // a condition is the opposite one
	bare bool // an immediate may stand without its #
}

// spellings maps each mnemonic in lower case to its meanings, which differ in their operands.
var spellings = map[string][]spelling{}

// words maps the names in operands to the k of the load that they stand for.
var words = map[string]uint32{"vlan_pr": firstMetadata + 48}

func init() {
	for i := range table {
		r := &table[i]
		spellings[r.Name] = append(spellings[r.Name], spelling{row: r})
	}
	for _, a := range aliases {
		for i := range table {
			if r := &table[i]; r.Name == a.row && (a.only == OperandNone || a.only == r.Operand) {
				spellings[a.name] = append(spellings[a.name], spelling{row: r, swap: a.swap, bare: a.only == OperandImm})
			}
		}
	}
	for _, m := range metadata {
		words[m.Dump] = firstMetadata + m.Offset
		if m.Name != "" {
			words[m.Name] = firstMetadata + m.Offset
		}
	}
}

// assembly reads bpf_asm text.
func (p *parser) assembly() {
	for p.skipLines(); p.tok.kind != tokEnd; p.skipLines() {
		for p.tok.kind == tokWord && p.ahead.is(":") {
			p.label()
		}
		if !p.atLineEnd() {
			p.statement(false)
		}
		p.endLine()
	}
	p.resolve()
}

// label reads a label and its colon.
func (p *parser) label() {
	if _, ok := p.labels[p.tok.text]; ok {
		p.fail(p.tok, "label %q is there already", p.tok.text)
		return
	}
	p.labels[p.tok.text] = len(p.prog)
	p.advance()
	p.advance()
}

// listing reads what tcpdump -d prints: a line an instruction, each with its number in parentheses.
func (p *parser) listing() {
	for p.skipLines(); p.tok.kind != tokEnd; p.skipLines() {
		p.expect("(")
		if n, err := strconv.Atoi(p.tok.text); err != nil || n != len(p.prog) { // decimal with leading zeros
			p.expected(fmt.Sprintf("instruction number %03d", len(p.prog)))
		}
		p.advance()
		p.expect(")")
		p.statement(true)
		p.endLine()
	}
}

// statement reads an instruction with its operands.
func (p *parser) statement(listing bool) {
	first := p.tok
	if first.kind != tokWord {
		p.expected("an instruction")
		return
	}
	choices := spellings[strings.ToLower(first.text)]
	if choices == nil {
		p.fail(first, "unknown instruction %q", first.text)
		return
	}
	p.advance()
	at := p.tok
	in := bpf.RawInstruction{}
	s := choices[0]
	if s.row.Kind == KindGoto {
		in.Op = s.row.Code
		p.target(&in, listing)
		p.append(first, in)
		return
	}
	o := p.operand()
	if p.err != nil {
		return
	}
	if listing && s.row.Kind == KindReturn && o.form == OperandNone {
		o.form = OperandA // tcpdump leaves the a out
	}
	n := slices.IndexFunc(choices, func(s spelling) bool { return s.row.Operand == o.form && (s.bare || !o.bare) })
	if n < 0 {
		p.fail(at, "expected %s after %q, found %s", operandChoices(choices), first.text, at.show())
		return
	}
	s = choices[n]
	in.Op, in.K = s.row.Code, o.k
	if s.row.Kind == KindJump {
		p.arms(&in, s.swap, listing)
	}
	p.append(first, in)
}

// operandChoices says for messages what may follow a mnemonic.
func operandChoices(choices []spelling) string {
	var list []string
	for _, s := range choices {
		text := operandText[s.row.Operand]
		if s.row.Operand == OperandAbs {
			text += ", a word such as proto"
		}
		list = append(list, text)
	}
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

// operand is what follows a mnemonic.
type operand struct {
	form Operand
	k    uint32
	bare bool // a number without #
}

func (p *parser) operand() operand {
	switch {
	case p.atLineEnd():
		return operand{}
	case p.accept("#"):
		if p.tok.kind == tokWord {
			return p.word()
		}
		return operand{form: OperandImm, k: p.k()}
	case p.accept("["):
		o := p.address()
		p.expect("]")
		return o
	case p.tok.is("m") && p.ahead.is("["):
		p.advance()
		p.advance()
		o := operand{form: OperandMem, k: p.k()}
		p.expect("]")
		return o
	case p.tok.kind == tokNumber && p.ahead.is("*"):
		return p.header()
	case p.tok.kind == tokNumber || p.tok.is("-") || p.tok.is("+"):
		return operand{form: OperandImm, k: p.k(), bare: true}
	case p.accept("%"):
		if !p.tok.is("x") && !p.tok.is("a") {
			p.expected("x or a")
		}
	}
	switch {
	case p.accept("x"):
		return operand{form: OperandX}
	case p.accept("a"):
		return operand{form: OperandA}
	}
	return p.word()
}

// address reads what stands in the brackets of a packet load.
func (p *parser) address() operand {
	if p.tok.is("x") || p.tok.is("%") {
		p.accept("%")
		p.expect("x")
		p.expect("+")
		return operand{form: OperandInd, k: p.k()}
	}
	if p.tok.kind == tokWord {
		return p.word()
	}
	return operand{form: OperandAbs, k: p.k()}
}

// header reads 4*([k]&0xf).
func (p *parser) header() operand {
	if p.tok.number != 4 {
		p.expected("4 in 4*([k]&0xf)")
	}
	p.advance()
	p.expect("*")
	p.expect("(")
	p.expect("[")
	o := operand{form: OperandHeader, k: p.k()}
	p.expect("]")
	p.expect("&")
	if p.err == nil && p.tok.number != 0xf {
		p.expected("0xf in 4*([k]&0xf)")
	}
	p.advance()
	p.expect(")")
	return o
}

// word reads the name of metadata or of the packet's length.
func (p *parser) word() operand {
	if p.tok.kind != tokWord {
		p.expected("an operand")
		return operand{}
	}
	name := strings.ToLower(p.tok.text)
	if name == "len" || name == "pktlen" {
		p.advance()
		return operand{form: OperandLen}
	}
	k, ok := words[name]
	if !ok {
		p.fail(p.tok, "unknown operand %q: expected #k, [k], x or a word such as len or proto", p.tok.text)
	}
	p.advance()
	return operand{form: OperandAbs, k: k}
}

// arm is a field of a jump that counts instructions to skip.
type arm uint8

const (
	armTrue  arm = iota // jt
	armFalse            // jf
	armK                // k of ja
)

// labelRef is a field of an instruction that is to lead to a label.
type labelRef struct {
	index int
	arm   arm
	at    token
}

// target reads where ja goes.
func (p *parser) target(in *bpf.RawInstruction, listing bool) {
	if !listing {
		p.labelRef(armK)
		return
	}
	n := p.unsigned("the number of an instruction", 1<<32+MaxInstructions)
	in.K = uint32(n - uint64(len(p.prog)) - 1)
}

// arms reads where a conditional jump goes.
func (p *parser) arms(in *bpf.RawInstruction, swap, listing bool) {
	if listing {
		p.expect("jt")
		in.Jt = p.distance()
		p.expect("jf")
		in.Jf = p.distance()
		return
	}
	p.expect(",")
	if swap {
		p.labelRef(armFalse)
		return
	}
	p.labelRef(armTrue)
	if p.accept(",") {
		p.labelRef(armFalse)
	}
}

// distance reads the number of an instruction ahead and returns how many to skip.
func (p *parser) distance() uint8 {
	at := p.tok
	n := p.unsigned("the number of an instruction", math.MaxUint32)
	return p.skip(at, fmt.Sprintf("instruction %d", n), int64(n)-int64(len(p.prog))-1)
}

// skip returns a distance as the 8-bit number of a conditional jump.
func (p *parser) skip(at token, what string, n int64) uint8 {
	switch {
	case p.err != nil:
	case n < 0:
		p.fail(at, "%s is not ahead: classic programs only jump forward", what)
	case n > math.MaxUint8:
		p.fail(at, "%s is %d instructions ahead, a conditional jump skips at most %d", what, n, math.MaxUint8)
	}
	return uint8(n)
}

func (p *parser) labelRef(a arm) {
	if p.tok.kind != tokWord {
		p.expected("a label")
		return
	}
	p.refs = append(p.refs, labelRef{len(p.prog), a, p.tok})
	p.advance()
}

// resolve fills in the distances to labels.
func (p *parser) resolve() {
	for _, r := range p.refs {
		if p.err != nil {
			return
		}
		target, ok := p.labels[r.at.text]
		what := fmt.Sprintf("label %q", r.at.text)
		switch {
		case !ok:
			p.fail(r.at, "%s is not defined", what)
			return
		case target == len(p.prog):
			p.fail(r.at, "%s has no instruction after it", what)
			return
		}
		in, n := &p.prog[r.index], int64(target-r.index-1)
		switch r.arm {
		case armTrue:
			in.Jt = p.skip(r.at, what, n)
		case armFalse:
			in.Jf = p.skip(r.at, what, n)
		case armK:
			if n < 0 {
				p.fail(r.at, "%s is not ahead: classic programs only jump forward", what)
			}
			in.K = uint32(n)
		}
	}
}

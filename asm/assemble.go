// Implements the assembler: text to program, in three passes over the lines: labels, dialect, instructions.

package asm

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

var littleEndian = binary.LittleEndian

// parser holds what Assemble knows while it reads a text.
type parser struct {
	file    string
	opts    Options
	most    int // slots, and labels
	grammar *grammar
	dialect Dialect
	style   style

	labels map[string]int // slot of each label; -1 until its line is read
	fixups []fixup
	prog   *spec.Program
	errs   Errors
	exit   int // slot of the first exit, or -1
	base   int // what the numbers printed in front of instructions count from
	based  bool

	// The statement being read.
	line    int
	head    head
	toks    []token
	stmtEnd int // byte offset of its end
	fail    failure
}

// fixup is a jump or call to a label.
type fixup struct {
	insn      int
	field     fixField
	row       *isa.Row
	name      string
	line, col int
}

// Assemble reads the text of one program. name is the file's name, for errors and for the program's Lines.
//
// Labels become the program's Symbols. Names of maps, and of helpers and kernel functions that have no number
// yet, become its Maps and Calls; the instruction at a CallRef says which of the two it calls. The place of
// each instruction becomes its Lines. The program has no name and no type. The error is of
// type Errors, except for a set of instructions that has no text form (see isa.Extension). Assemble may be
// called by several goroutines at once.
func Assemble(name, src string, opts *Options) (*spec.Program, error) {
	return assembleUpTo(isa.ProfileLinux.MaxInstructions(), name, src, opts)
}

// assembleUpTo is Assemble for programs of at most so many slots and labels.
func assembleUpTo(most int, name, src string, opts *Options) (*spec.Program, error) {
	o := opts.orDefault()
	g, err := grammarOf(o.Set)
	if err != nil {
		return nil, err
	}
	p := &parser{file: name, opts: o, most: most, grammar: g, labels: map[string]int{}, prog: &spec.Program{}, exit: -1}
	if len(src) > MaxSource {
		p.errs.add(name, 1, 0, fmt.Sprintf("the text is %d bytes long, at most %d can be read", len(src), MaxSource))
		return nil, p.errs.sorted()
	}
	if at := invalidUTF8(src); at >= 0 {
		line := 1 + strings.Count(src[:at], "\n")
		p.errs.add(name, line, at-strings.LastIndexByte(src[:at], '\n')-1, fmt.Sprintf("byte %#02x is not UTF-8 text", src[at]))
		return nil, p.errs.sorted()
	}
	if rest, ok := strings.CutPrefix(src, "\ufeff"); ok {
		src = "   " + rest // a byte order mark; columns stay
	}
	p.collectLabels(src)
	if len(p.errs) == 0 {
		p.setDialect(o.Dialect)
		if o.Dialect == Auto {
			p.recognise(src)
		}
		p.readAll(src)
		p.resolve()
	}
	if err := p.errs.sorted(); err != nil {
		return nil, err
	}
	return p.prog, nil
}

// errorf enters a mistake at byte col of the current line.
func (p *parser) errorf(col int, format string, args ...any) {
	p.errs.add(p.file, p.line, col, fmt.Sprintf(format, args...))
}

// collectLabels finds the names of all labels, which decide between a helper and a function.
func (p *parser) collectLabels(src string) {
	s := scanner{src: src}
	var h head
	for text, _, more := s.next(); more; text, _, more = s.next() {
		h = readHead(text, h.labels)
		for _, l := range h.labels {
			p.labels[l.name] = -1
		}
		if len(p.labels) > p.most {
			p.errs.add(p.file, s.line, 0, fmt.Sprintf("the text has more than %d labels", p.most))
			return
		}
	}
	if s.inside {
		p.errs.add(p.file, s.openLine, s.openCol, "this comment has no end: expected */")
	}
}

func (p *parser) setDialect(d Dialect) {
	p.dialect, p.style = d, d.style()
	if d == Auto {
		p.dialect = Assign
	}
}

// recognise sets the dialect by the first statement that belongs to only one. It gives up after a thousand.
func (p *parser) recognise(src string) {
	s := scanner{src: src}
	left := 1000
	for text, _, more := s.next(); more && left > 0; text, _, more = s.next() {
		p.head = readHead(text, p.head.labels)
		p.toks, _, _ = lex(p.toks[:0], text[:p.head.end], p.head.start)
		p.stmtEnd = p.head.end
		if len(p.toks) == 0 {
			continue
		}
		left--
		if d := p.dialectOf(); d != Auto {
			p.setDialect(d)
			return
		}
	}
	p.setDialect(Assign)
}

// dialectOf returns the dialect of the current statement, or Auto if it may be in several.
func (p *parser) dialectOf() Dialect {
	for _, t := range p.toks {
		if _, reg := registerNumber(t.text); reg && t.kind == tokWord && t.text[0] == '%' {
			return UBPF
		}
	}
	first := p.toks[0]
	text, mnemonic := p.grammar.root[styleText], p.grammar.root[styleMnemonic]
	inText, inMnemonic := text.words[first.text] != nil, mnemonic.words[first.text] != nil
	prefixed := first.kind == tokWord && strings.HasPrefix(first.text, docPrefix)
	_, reg := registerNumber(first.text)
	switch {
	case inText && !inMnemonic, reg && !inMnemonic:
		return Assign
	case inMnemonic && !inText:
		return UBPF
	case !inText && prefixed:
		return Doc
	}
	p.head.row, p.head.code = nil, -1
	p.style = styleText
	_, _, isText := p.find(styleText)
	p.style = styleMnemonic
	_, _, isMnemonic := p.find(styleMnemonic)
	switch {
	case isText && !isMnemonic:
		return Assign
	case isMnemonic && !isText:
		return UBPF
	}
	return Auto
}

// readAll reads the lines into the program.
func (p *parser) readAll(src string) {
	s := scanner{src: src}
	for text, after, more := s.next(); more && len(p.errs) < maxErrors; text, after, more = s.next() {
		p.line = s.line
		p.head = readHead(text, p.head.labels)
		slot := len(p.prog.Insns)
		for _, l := range p.head.labels {
			if p.labels[l.name] >= 0 {
				p.errorf(l.col, "label %q is there already", clip(l.name))
				continue
			}
			p.labels[l.name] = slot
			p.prog.Symbols = append(p.prog.Symbols, spec.Symbol{Insn: slot, Name: l.name})
		}
		p.statement(text, after)
		if len(p.prog.Insns) > p.most {
			p.errorf(0, "the program has more than %d instructions", p.most)
			return
		}
	}
}

// statement reads the instruction of the current line, if it has one.
func (p *parser) statement(text, after string) {
	if !p.lex(text[:p.head.end], p.head.start) || len(p.toks) == 0 {
		return
	}
	slot := len(p.prog.Insns)
	first := p.tok(0)
	if strings.HasPrefix(first.text, "R_BPF_") {
		p.errorf(first.col, "relocations cannot be read: give the object file itself, not its listing")
		return
	}
	if p.head.number >= 0 {
		if p.based && p.head.number != p.base+slot {
			p.errorf(p.head.col, "the instruction is numbered %d, expected %d: lines are missing, repeated or added; without numbers any order is good", p.head.number, p.base+slot)
		}
		p.based, p.base = true, p.head.number-slot
	}
	ok := true
	switch {
	case first.is(rawDirective):
		ok = p.rawWords()
	case first.is("<") && p.tok(1).is("unknown") && p.head.raw != nil:
		p.prog.Insns = append(p.prog.Insns, p.head.raw...)
	default:
		ok = p.instruction()
	}
	if !ok {
		p.based = false // how many slots the line takes is not known
		return
	}
	p.prog.Lines = append(p.prog.Lines, spec.Line{Insn: slot, File: p.file, Line: p.line, Column: first.col + 1})
	p.checkComment(len(text), after)
}

// lex splits the current statement into tokens and brings it to the form of the spellings.
func (p *parser) lex(text string, start int) bool {
	var col int
	var msg string
	p.toks, col, msg = lex(p.toks[:0], text, start)
	p.stmtEnd = len(text)
	p.fail = failure{}
	if msg != "" {
		p.errorf(col, "%s", msg)
		return false
	}
	if len(p.toks) == 0 {
		return true
	}
	if first := &p.toks[0]; p.dialect == Doc && first.kind == tokWord && p.grammar.root[styleMnemonic].words[first.text] == nil {
		if word, ok := strings.CutPrefix(first.text, docPrefix); ok && p.grammar.root[styleMnemonic].words[word] != nil {
			first.text = word
		}
	}
	if p.style == styleText && p.tok(0).is("if") && p.tok(1).is("(") {
		// C style: the condition in brackets.
		for i, t := range p.toks {
			if t.is(")") && p.tok(i+1).is("goto") {
				p.toks = slices.Delete(slices.Delete(p.toks, i, i+1), 1, 2)
				break
			}
		}
	}
	return true
}

// instruction reads the current statement as an instruction of the set.
func (p *parser) instruction() bool {
	h := &p.head
	if len(h.raw) > 0 {
		h.code = int(h.raw[0].Code)
		h.row, _ = p.opts.Set.Lookup(h.raw, 0)
	}
	row, o, ok := p.find(p.style)
	if !ok {
		p.noInstruction()
		return false
	}
	slot := len(p.prog.Insns)
	p.prog.Insns = append(p.prog.Insns, encode(row, &o)...)
	if row.Op == isa.Exit && p.exit < 0 {
		p.exit = slot
	}
	switch o.refers {
	case placeMap:
		ref := spec.MapRef{Insn: slot, Map: o.symbol.text}
		if row.Op == isa.LdMapValue {
			ref.Value, ref.Offset = true, uint32(o.next[0])
		}
		p.prog.Maps = append(p.prog.Maps, ref)
	case placeHelper, placeKfunc:
		p.prog.Calls = append(p.prog.Calls, spec.CallRef{Insn: slot, Helper: o.symbol.text})
	}
	if o.fix != fixNone {
		p.fixups = append(p.fixups, fixup{slot, o.fix, row, o.label.text, p.line, o.label.col})
	} else if len(h.raw) > 0 && o.refers == placeNone && !slices.Equal(h.raw, p.prog.Insns[slot:]) {
		p.errorf(p.tok(0).col, "%s", bytesDiffer)
		return false
	}
	return true
}

// noInstruction enters the mistake for a statement that is none.
func (p *parser) noInstruction() {
	h := &p.head
	if code := h.code; code >= 0 {
		h.row, h.code = nil, -1
		if row, _, ok := p.find(p.style); ok && len(h.raw) > 0 {
			p.errorf(p.tok(0).col, "%s", bytesDiffer)
			return
		} else if ok {
			p.errorf(p.tok(0).col, "the text means opcode %#02x, what stands in front of it says %#02x", row.Code, code)
			return
		}
	}
	p.match(p.grammar.root[p.style], 0, operands{})
	col, msg := p.explain()
	p.errorf(col, "%s", msg)
}

// invalidUTF8 returns the offset of the first byte of src that is not part of a UTF-8 character, or -1.
func invalidUTF8(src string) int {
	if utf8.ValidString(src) {
		return -1
	}
	for i, r := range src {
		if _, size := utf8.DecodeRuneInString(src[i:]); r == utf8.RuneError && size == 1 {
			return i
		}
	}
	return -1
}

const bytesDiffer = "the text and the bytes in front of it mean different instructions"

// encode returns the slots of an instruction.
func encode(row *isa.Row, o *operands) []isa.Instruction {
	out := make([]isa.Instruction, row.Slots)
	out[0] = row.Make(isa.Register(o.dst), isa.Register(o.src), int16(o.off), o.imm)
	for i := 1; i < row.Slots; i++ {
		if row.Next.Use == isa.Operand {
			out[i].Imm = o.next[i-1]
		}
	}
	return out
}

// rawDirective starts a statement that gives slots as numbers.
const rawDirective = ".insn"

// rawWords reads .insn and the slots after it, each a 64-bit number whose lowest byte is the opcode.
func (p *parser) rawWords() bool {
	var raw []byte
	for i := 1; ; i++ {
		v, next, ok := p.magnitude(i, false, range64)
		if !ok {
			p.expect(i, "eight bytes as a number such as 0x1122334455667788")
			break
		}
		raw = littleEndian.AppendUint64(raw, uint64(v))
		if i = next; p.tok(i).kind == tokEnd {
			code, _ := isa.Decode(raw, littleEndian)
			p.prog.Insns = append(p.prog.Insns, code...)
			return true
		}
		if !p.tok(i).is(",") {
			p.expect(i, `","`)
			break
		}
	}
	col, msg := p.explain()
	p.errorf(col, "%s", msg)
	return false
}

// checkComment refuses an instruction behind a semicolon, which other assemblers take for a second statement
// and this one for a comment.
func (p *parser) checkComment(col int, after string) {
	after, _, _ = strings.Cut(after, ";")
	if strings.TrimSpace(after) == "" {
		return
	}
	toks, _, msg := lex(p.toks[:0], after, 0)
	if msg != "" || len(toks) == 0 {
		return
	}
	p.toks, p.head.row, p.head.code, p.stmtEnd = toks, nil, -1, len(after)
	if _, _, ok := p.find(p.style); ok {
		p.errorf(col, "a semicolon starts a comment, but an instruction follows it: write it on a line of its own (or use # for the comment)")
	}
}

// isLabel reports whether jumps can name this label. The public conformance vectors, in mnemonics, jump to
// the first exit instruction by its name.
func (p *parser) isLabel(name string) bool {
	_, ok := p.labels[name]
	return ok || name == "exit" && p.style == styleMnemonic
}

// resolve writes the distances of jumps and calls to labels.
func (p *parser) resolve() {
	for _, f := range p.fixups {
		target, ok := p.labels[f.name]
		if !ok {
			target = p.exit
		}
		if target < 0 {
			if !ok {
				p.errs.add(p.file, f.line, f.col, fmt.Sprintf("there is neither a label %q nor an exit instruction", clip(f.name)))
			}
			continue // a label after the last line that was read
		}
		distance := target - (f.insn + 1)
		if f.field == fixImm {
			p.prog.Insns[f.insn].Imm = int32(distance)
			continue
		}
		if distance < math.MinInt16 || distance > math.MaxInt16 {
			long := strings.TrimSpace(p.grammar.prints[p.style][isa.GotoLong][0].text)
			advice := "use " + long
			if f.row.Op != isa.Goto {
				advice = "jump to a near " + long + " instead"
			}
			p.errs.add(p.file, f.line, f.col, fmt.Sprintf("label %q is %d instructions away, a 16-bit jump reaches -32768 to 32767: %s", clip(f.name), distance, advice))
			continue
		}
		p.prog.Insns[f.insn].Off = int16(distance)
	}
}

// helperID asks for the number of a helper.
func (p *parser) helperID(name string) (int32, bool) {
	if p.opts.Helper == nil {
		return 0, false
	}
	id, ok := p.opts.Helper(name)
	if short, cut := strings.CutPrefix(name, docPrefix); !ok && cut {
		id, ok = p.opts.Helper(short)
	}
	return id, ok
}

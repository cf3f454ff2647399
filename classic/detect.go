// Implements the recognition of classic text among other text.

package classic

import "strings"

// Detect tells which form of classic BPF a text is in, by its first words. It says NotClassic for assembler
// text of internal BPF in any of its dialects, JSON and everything else. A text it recognises may still be
// wrong: that it is for Parse to say.
func Detect(text string) Form {
	p := newParser("", text)
	p.skipLines()
	switch {
	case p.tok.is("{") && p.ahead.kind == tokNumber:
		return FormDD
	case p.tok.is("(") && p.ahead.text != "" && p.ahead.text[0] >= '0' && p.ahead.text[0] <= '9':
		return FormD
	case p.tok.kind == tokNumber && (p.ahead.kind == tokNewline || p.ahead.is(",")):
		p.advance()
		for p.tok.kind == tokNewline || p.tok.is(",") {
			p.advance()
		}
		if p.tok.kind == tokNumber && p.ahead.kind == tokNumber {
			return FormDDD
		}
		return NotClassic
	}
	for ; p.tok.kind != tokEnd; p.skipLines() {
		for p.tok.kind == tokWord && p.ahead.is(":") {
			p.advance()
			p.advance()
		}
		if p.atLineEnd() {
			continue
		}
		if form, sure := p.detectLine(); sure {
			return form
		}
		for !p.atLineEnd() {
			p.advance()
		}
	}
	return NotClassic
}

// sharedNames are the mnemonics that other assembler languages for BPF have as well.
const sharedNames = " add sub mul div mod neg and or xor lsh rsh ja jeq jne jgt jge jlt jle jset ldxb "

// detectLine judges the instruction at the current token. It reports false if the instruction could be of
// several languages.
func (p *parser) detectLine() (Form, bool) {
	name := strings.ToLower(p.tok.text)
	if p.tok.kind != tokWord || spellings[name] == nil {
		return NotClassic, true
	}
	p.advance()
	switch {
	case !strings.Contains(sharedNames, " "+name+" "):
		return FormAsm, true
	case name == "ja":
		return NotClassic, p.tok.kind != tokWord // ja label is both
	case p.tok.is("#") || p.tok.is("x") || p.tok.is("%") && p.ahead.is("x"):
		return FormAsm, true
	case name == "neg" && p.atLineEnd(), name == "ldxb" && p.tok.kind == tokNumber:
		return FormAsm, true
	}
	return NotClassic, true
}

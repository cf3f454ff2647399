// Implements the printing of instructions and programs.

package asm

import (
	"cmp"
	"fmt"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// printer holds what Disassemble knows while it prints a program.
type printer struct {
	opts    Options
	grammar *grammar
	style   style
	out     []byte
	code    []isa.Instruction
	labels  map[int]string       // by slot, the name that jumps use
	maps    map[int]*spec.MapRef // by slot
	calls   map[int]string       // by slot, the name called
	externs map[int]string       // by slot, the name whose address is loaded
	taken   map[string]bool      // all names of labels
}

func newPrinter(opts *Options) (*printer, error) {
	pr := &printer{opts: opts.orDefault()}
	var err error
	pr.grammar, err = grammarOf(pr.opts.Set)
	pr.style = pr.opts.Dialect.style()
	return pr, err
}

// Format returns the text of the instruction at slot i of code, without references to names other than
// helpers. What is no instruction is formatted as .insn. It panics if i is outside code.
func Format(code []isa.Instruction, i int, opts *Options) string {
	pr, err := newPrinter(opts)
	if err == nil {
		var row *isa.Row
		if row, err = pr.opts.Set.Lookup(code, i); err == nil {
			pr.code = code
			pr.instruction(i, row)
			return string(pr.out)
		}
	}
	return rawText(code[i])
}

func rawText(in isa.Instruction) string {
	return fmt.Sprintf("%s 0x%016x", rawDirective, littleEndian.Uint64(isa.Encode([]isa.Instruction{in})))
}

// Disassemble returns the text of a program, an instruction a line. Assemble returns the same instructions
// for it, byte by byte, and the same references; a map or helper that a reference names keeps no number of
// its own, and a wide load that refers to a map gets the form that does so.
//
// Symbols are printed as labels, and jumps to them by name; other jumps as distances. Lines that have a text
// are printed as comments, once if several instructions in a row come from the same. The program is checked no further than printing needs: the error is an
// *isa.LookupError for what is no instruction, or says which reference fits no instruction; Options.Raw
// prints these too.
func Disassemble(p *spec.Program, opts *Options) (string, error) {
	pr, err := newPrinter(opts)
	if err != nil {
		return "", err
	}
	pr.code = p.Insns
	rows, err := pr.rows()
	if err != nil {
		return "", err
	}
	symbols := pr.symbols(p, rows)
	if err := pr.references(p, rows); err != nil {
		return "", err
	}
	lines := slices.Clone(p.Lines)
	slices.SortStableFunc(lines, func(a, b spec.Line) int { return cmp.Compare(a.Insn, b.Insn) })
	indent := ""
	if len(symbols) > 0 {
		indent = "\t"
	}
	before := ""
	for i := 0; i <= len(p.Insns); {
		for ; len(symbols) > 0 && symbols[0].Insn == i; symbols = symbols[1:] {
			pr.out = append(pr.out, quoteName(symbols[0].Name)+":\n"...)
			before = ""
		}
		for ; len(lines) > 0 && lines[0].Insn <= i; lines = lines[1:] {
			if text := sourceLine(&lines[0]); lines[0].Insn == i && text != "" && text != before {
				pr.out = append(pr.out, indent+"; "+text+"\n"...)
				before = text
			}
		}
		if name, ok := pr.externs[i]; ok {
			pr.out = append(pr.out, indent+"; the address of "+oneLine(name)+"\n"...)
		}
		if i == len(p.Insns) {
			break
		}
		pr.out = append(pr.out, indent...)
		if pr.opts.Numbers {
			pr.out = fmt.Appendf(pr.out, "%4d: ", i)
		}
		slots := 1
		if rows[i] != nil {
			slots = rows[i].Slots
			pr.instruction(i, rows[i])
		} else {
			pr.out = append(pr.out, rawText(p.Insns[i])...)
		}
		pr.out = append(pr.out, '\n')
		i += slots
	}
	return string(pr.out), nil
}

// rows returns the row of each slot that starts an instruction.
func (pr *printer) rows() ([]*isa.Row, error) {
	rows := make([]*isa.Row, len(pr.code))
	for i := 0; i < len(pr.code); {
		row, err := pr.opts.Set.Lookup(pr.code, i)
		if err != nil {
			if !pr.opts.Raw {
				return nil, err
			}
			i++
			continue
		}
		rows[i] = row
		i += row.Slots
	}
	return rows, nil
}

// symbols returns the symbols that can be labels, in order: those that stand before an instruction or at the
// end, and each name once.
func (pr *printer) symbols(p *spec.Program, rows []*isa.Row) []spec.Symbol {
	pr.labels, pr.taken = map[int]string{}, map[string]bool{}
	inside := make([]bool, len(rows)+1) // inside a wide instruction
	for i, row := range rows {
		for n := 1; row != nil && n < row.Slots; n++ {
			inside[i+n] = true
		}
	}
	var out []spec.Symbol
	for _, s := range p.Symbols {
		if s.Insn < 0 || s.Insn > len(rows) || inside[s.Insn] || pr.taken[s.Name] {
			continue
		}
		pr.taken[s.Name] = true
		if _, ok := pr.labels[s.Insn]; !ok {
			pr.labels[s.Insn] = s.Name
		}
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b spec.Symbol) int { return cmp.Compare(a.Insn, b.Insn) })
	return out
}

// references enters the program's references by slot.
func (pr *printer) references(p *spec.Program, rows []*isa.Row) error {
	pr.maps, pr.calls, pr.externs = map[int]*spec.MapRef{}, map[int]string{}, map[int]string{}
	misfit := func(format string, args ...any) error {
		if !pr.opts.Raw {
			return fmt.Errorf(format, args...)
		}
		pr.out = append(pr.out, "; "+oneLine(fmt.Sprintf(format, args...))+"\n"...)
		return nil
	}
	at := func(i int) *isa.Row {
		if i < 0 || i >= len(rows) {
			return nil
		}
		return rows[i]
	}
	for i := range p.Maps {
		ref := &p.Maps[i]
		if row := at(ref.Insn); row == nil || row.Kind != isa.KindLoadImm {
			if err := misfit("instruction %d refers to map %q, but is no wide load", ref.Insn, ref.Map); err != nil {
				return err
			}
			continue
		}
		pr.maps[ref.Insn] = ref
	}
	for _, ref := range p.Externs {
		pr.externs[ref.Insn] = ref.Name
	}
	for _, ref := range p.Calls {
		if row := at(ref.Insn); row == nil || row.Op != isa.Call && row.Op != isa.CallKfunc {
			if err := misfit("instruction %d refers to helper %q, but is no call of one", ref.Insn, ref.Helper); err != nil {
				return err
			}
			continue
		}
		pr.calls[ref.Insn] = ref.Helper
	}
	return nil
}

// sourceLine returns a source line as the kernel's verifier shows it, with its place.
func sourceLine(l *spec.Line) string {
	text := strings.TrimSpace(oneLine(l.Text))
	if text != "" && l.File != "" && l.Line > 0 {
		text += fmt.Sprintf(" @ %s:%d", oneLine(path.Base(l.File)), l.Line)
	}
	return text
}

// oneLine makes a text fit on the line of a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
}

// instruction appends the instruction at slot i, which row describes.
func (pr *printer) instruction(i int, row *isa.Row) {
	if ref := pr.maps[i]; ref != nil {
		row = pr.opts.Set.Row(isa.LdMapFD)
		if ref.Value {
			row = pr.opts.Set.Row(isa.LdMapValue)
		}
	}
	if pr.opts.Dialect == Doc {
		pr.out = append(pr.out, docPrefix...)
	}
	for _, p := range pr.grammar.prints[pr.style][row.Op] {
		if p.place == placeNone {
			pr.out = append(pr.out, p.text...)
		} else {
			pr.operand(p.place, i, row.Slots)
		}
	}
}

// operand appends an operand of the instruction at slot i.
func (pr *printer) operand(pl place, i, slots int) {
	in := pr.code[i]
	next := int32(0)
	if slots > 1 {
		next = pr.code[i+1].Imm
	}
	switch pl {
	case placeDst, placeXDst:
		pr.register("r", in.Dst())
	case placeSrc, placeXSrc:
		pr.register("r", in.Src())
	case placeWDst:
		pr.register("w", in.Dst())
	case placeWSrc:
		pr.register("w", in.Src())
	case placeR0:
		pr.register("r", isa.R0)
	case placeW0:
		pr.register("w", isa.R0)
	case placeImm:
		pr.number(int64(in.Imm))
	case placeImm64:
		pr.number(int64(uint64(uint32(in.Imm)) | uint64(uint32(next))<<32))
	case placeImms:
		pr.number(int64(in.Imm))
		for n := 1; n < slots; n++ {
			pr.out = append(pr.out, ", "...)
			pr.number(int64(pr.code[i+n].Imm))
		}
	case placeOff:
		pr.offset(int64(in.Off))
	case placeOff32:
		pr.offset(int64(in.Imm))
	case placeOff16:
		pr.number(int64(in.Off))
	case placeJump:
		pr.target("", i, int64(in.Off))
	case placeLongJump:
		pr.target("", i, int64(in.Imm))
	case placeFunc:
		pr.target("pc", i, int64(in.Imm))
	default:
		pr.reference(pl, i, in, next)
	}
}

// reference appends an operand that names something outside the program.
func (pr *printer) reference(pl place, i int, in isa.Instruction, next int32) {
	switch pl {
	case placeHelper:
		pr.helper(i, in.Imm)
	case placeKfunc:
		if name, ok := pr.calls[i]; ok {
			pr.out = append(pr.out, quoteName(name)...)
		} else {
			pr.number(int64(in.Imm))
		}
		if in.Off != 0 {
			pr.out = fmt.Appendf(pr.out, " module %d", in.Off)
		}
	case placeMap:
		if ref := pr.maps[i]; ref != nil {
			pr.out = append(pr.out, quoteName(ref.Map)...)
		} else {
			pr.out = fmt.Appendf(pr.out, "fd:%d", in.Imm)
		}
	case placeValOff:
		offset := uint32(next)
		if ref := pr.maps[i]; ref != nil {
			offset = ref.Offset
		}
		pr.number(int64(offset))
	case placeVar:
		pr.out = fmt.Appendf(pr.out, "id:%d", in.Imm)
		if next != 0 {
			pr.out = fmt.Appendf(pr.out, " fd:%d", next)
		}
	case placeSpaces:
		pr.out = fmt.Appendf(pr.out, "%d, %d", uint32(in.Imm)>>16, uint16(in.Imm))
	}
}

func (pr *printer) register(letter string, r isa.Register) {
	switch pr.opts.Dialect {
	case UBPF:
		letter = "%" + letter
	case Doc:
		letter = strings.ToUpper(letter)
	}
	pr.out = strconv.AppendUint(append(pr.out, letter...), uint64(r), 10)
}

// number appends a number: from 65535 on in hexadecimal, smaller ones in decimal, and so negative ones, except
// those that need 64 bits.
func (pr *printer) number(v int64) {
	if math.MinInt32 <= v && v < 0xffff {
		pr.out = strconv.AppendInt(pr.out, v, 10)
	} else {
		pr.out = fmt.Appendf(pr.out, "%#x", uint64(v))
	}
}

// offset appends a memory offset with its sign.
func (pr *printer) offset(v int64) {
	if pr.style == styleMnemonic {
		if v != 0 {
			pr.out = fmt.Appendf(pr.out, "%+d", v)
		}
		return
	}
	sign := "+ "
	if v < 0 {
		sign, v = "- ", -v
	}
	pr.out = strconv.AppendInt(append(pr.out, sign...), v, 10)
}

// target appends a jump or call target: a label, or a distance behind prefix.
func (pr *printer) target(prefix string, i int, distance int64) {
	if name, ok := pr.labels[i+1+int(distance)]; ok {
		pr.out = append(pr.out, quoteName(name)...)
		return
	}
	pr.out = fmt.Appendf(pr.out, "%s%+d", prefix, distance)
}

// helper appends a helper by its name, its number, or both.
func (pr *printer) helper(i int, id int32) {
	if name, ok := pr.calls[i]; ok {
		if pr.taken[name] || name == "exit" {
			pr.out = append(pr.out, "helper "...)
		}
		pr.out = append(pr.out, quoteName(name)...)
		return
	}
	if pr.opts.HelperName != nil {
		if name, ok := pr.opts.HelperName(id); ok && quoteName(name) == name {
			pr.out = append(append(pr.out, name...), '#')
		}
	}
	pr.out = strconv.AppendUint(pr.out, uint64(uint32(id)), 10)
}

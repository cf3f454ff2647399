// Implements the reading of a row's spelling columns: each becomes a path of a trie to match statements
// with, and a list of pieces to print.

package asm

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"weak"

	"github.com/skepbpf/skep/isa"
)

// place is the sort of an operand: what a placeholder of a spelling stands for.
type place uint8

const (
	placeNone place = iota
	placeDst
	placeSrc
	placeWDst
	placeWSrc
	placeXDst
	placeXSrc
	placeR0
	placeW0
	placeImm
	placeImm64
	placeOff
	placeOff32
	placeOff16
	placeImms
	placeJump
	placeLongJump
	placeFunc
	placeHelper
	placeKfunc
	placeMap
	placeValOff
	placeVar
	placeSpaces
)

// places names the placeholders, as package isa lists them.
var places = map[string]place{
	"dst": placeDst, "src": placeSrc, "wdst": placeWDst, "wsrc": placeWSrc, "xdst": placeXDst, "xsrc": placeXSrc,
	"r0": placeR0, "w0": placeW0, "imm": placeImm, "imm64": placeImm64, "off": placeOff, "off32": placeOff32,
	"off16": placeOff16, "imms": placeImms, "jump": placeJump, "longjump": placeLongJump, "func": placeFunc,
	"helper": placeHelper, "kfunc": placeKfunc, "map": placeMap, "valoff": placeValOff, "var": placeVar,
	"spaces": placeSpaces,
}

// piece is a part of a spelling: literal text, or an operand.
type piece struct {
	text  string
	place place
}

// style tells the two columns of spellings apart.
type style uint8

const (
	styleText     style = iota // Row.Text
	styleMnemonic              // Row.Mnemonic
	numStyles
)

// node is a place in the trie of all spellings of one style. The way to it is what has been read.
type node struct {
	words    map[string]*node // literal tokens
	operands []edge           // operands, tried in the order of the table
	rows     []*isa.Row       // the instructions whose spelling ends here
}

// edge is an operand that may stand at a node.
type edge struct {
	place  place
	repeat bool // stands a second time in this spelling: must have the same value
	slots  int  // for {imms}, how many numbers
	to     *node
}

// grammar holds the compiled spellings of a set of instructions. It does not change once made.
type grammar struct {
	root   [numStyles]*node
	prints [numStyles][][]piece // by Op
}

// grammars keeps the grammars of the sets in use: *grammar by weak.Pointer[isa.Set]. An entry goes away
// with its set.
var grammars sync.Map

// grammarOf returns the grammar of a set. It fails if the name of an extension instruction cannot stand in
// a text.
func grammarOf(set *isa.Set) (*grammar, error) {
	key := weak.Make(set)
	if g, ok := grammars.Load(key); ok {
		return g.(*grammar), nil
	}
	g := &grammar{}
	for s := range numStyles {
		g.root[s] = &node{}
		for _, row := range set.Rows() {
			if err := g.compile(s, row); err != nil {
				return nil, fmt.Errorf("instruction %q cannot be written as text: %w", row.Mnemonic, err)
			}
		}
	}
	if _, loaded := grammars.LoadOrStore(key, g); !loaded {
		runtime.AddCleanup(set, func(key weak.Pointer[isa.Set]) { grammars.Delete(key) }, key)
	}
	return g, nil
}

// compile enters the spellings of one row. The first is the one to print.
func (g *grammar) compile(s style, row *isa.Row) error {
	spellings := append([]string{row.Text}, row.Aliases()...)
	if s == styleMnemonic {
		spellings = append([]string{row.Mnemonic}, row.MnemonicAliases()...)
	}
	for i, spelling := range spellings {
		pieces, err := cut(spelling)
		if err != nil {
			return err
		}
		if err := g.root[s].add(row, pieces); err != nil {
			return err
		}
		if i == 0 {
			g.prints[s] = append(g.prints[s], pieces)
		}
	}
	return nil
}

// cut splits a spelling at its placeholders.
func cut(spelling string) ([]piece, error) {
	var out []piece
	for rest := spelling; rest != ""; {
		text, after, found := strings.Cut(rest, "{")
		if text != "" {
			out = append(out, piece{text: text})
		}
		if !found {
			break
		}
		name, after, found := strings.Cut(after, "}")
		if !found || places[name] == placeNone {
			return nil, fmt.Errorf("%q is no placeholder", name)
		}
		out = append(out, piece{place: places[name]})
		rest = after
	}
	return out, nil
}

// add enters a spelling of row into the trie below n.
func (n *node) add(row *isa.Row, pieces []piece) error {
	var seen [placeSpaces + 1]bool
	for _, p := range pieces {
		if p.place != placeNone {
			slots := 0
			if p.place == placeImms {
				slots = row.Slots
			}
			n = n.operand(edge{place: p.place, repeat: seen[p.place] && p.place.register(), slots: slots})
			seen[p.place] = true
			continue
		}
		if strings.ContainsAny(p.text, ";:#\"'\n") || strings.Contains(p.text, "//") || strings.Contains(p.text, "/*") {
			return fmt.Errorf("%q would end a label, or start a comment, a name in quotes or a new line", p.text)
		}
		toks, _, msg := lex(nil, p.text, 0)
		if msg != "" {
			return fmt.Errorf("%s", msg)
		}
		for _, t := range toks {
			next := n.words[t.text]
			if next == nil {
				next = &node{}
				if n.words == nil {
					n.words = map[string]*node{}
				}
				n.words[t.text] = next
			}
			n = next
		}
	}
	n.rows = append(n.rows, row)
	return nil
}

// operand returns the node behind an operand edge and makes it if need be.
func (n *node) operand(e edge) *node {
	for _, have := range n.operands {
		if have.place == e.place && have.repeat == e.repeat && have.slots == e.slots {
			return have.to
		}
	}
	e.to = &node{}
	n.operands = append(n.operands, e)
	return e.to
}

// register reports whether the operand is a register that a spelling may name twice.
func (p place) register() bool { return p >= placeDst && p <= placeXSrc }

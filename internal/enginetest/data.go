// Implements the reader of the public .data format.

package enginetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Vector is a program with what it runs on and what must come of it.
type Vector struct {
	Name    string
	Program *spec.Program
	Mem     []byte // memory of a plain function, packet of any other program type
	Result  uint64 // R0 at the end; of program types other than spec.Unspec the low 32 bits
	Error   string // if not "", loading or running must fail; what with is for readers
}

// Check returns what is wrong with the outcome of running the vector, or nil.
func (v *Vector) Check(r0 uint64, err error) error {
	want := v.Result
	if v.Program.Type != spec.Unspec {
		r0, want = uint64(uint32(r0)), uint64(uint32(want))
	}
	switch {
	case v.Error != "" && err == nil:
		return fmt.Errorf("gives %#x, but must fail: %s", r0, v.Error)
	case v.Error != "":
		return nil
	case err != nil:
		return fmt.Errorf("fails: %w; it must give %#x", err, want)
	case r0 != want:
		return fmt.Errorf("gives %#x, not %#x", r0, want)
	}
	return nil
}

// file is a file of the format while it is read.
type file struct {
	name     string
	sections map[string]*section
}

type section struct {
	line  int // of its first line of text
	lines []string
}

var knownSections = map[string]bool{"asm": true, "raw": true, "mem": true, "result": true, "error": true,
	"c": true, "no register offset": true, "type": true}

// ParseVector reads a file of the format; see the package documentation. name is the file's name, for
// errors, which say file and line, and for Vector.Name.
func ParseVector(name string, text []byte) (*Vector, error) {
	f, err := split(name, string(text))
	if err != nil {
		return nil, err
	}
	v := &Vector{Name: strings.TrimSuffix(name, ".data")}
	if err := errors.Join(f.program(v), f.memory(v), f.outcome(v)); err != nil {
		return nil, err
	}
	return v, nil
}

// Places in errors: a line, or the file as a whole.
func (f *file) errorf(line int, format string, args ...any) error {
	place := f.name
	if line > 0 {
		place += ":" + strconv.Itoa(line)
	}
	return fmt.Errorf("%s: %s", place, fmt.Sprintf(format, args...))
}

func split(name, text string) (*file, error) {
	f := &file{name: name, sections: map[string]*section{}}
	var current *section
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		title, ok := strings.CutPrefix(line, "-- ")
		switch {
		case ok:
			title = strings.TrimSpace(title)
			if !knownSections[title] {
				return nil, f.errorf(n, "unknown section %q", title)
			}
			if f.sections[title] != nil {
				return nil, f.errorf(n, "second section %q", title)
			}
			current = &section{line: n + 1}
			f.sections[title] = current
		case current != nil:
			current.lines = append(current.lines, line)
		case strings.TrimSpace(line) != "" && line[0] != '#':
			return nil, f.errorf(n, "text before the first section: expected a comment or a line such as %q", "-- asm")
		}
	}
	return f, nil
}

// words calls do for each word of a section that is no comment, with its line.
func (f *file) words(title string, do func(line int, word string) error) error {
	s := f.sections[title]
	if s == nil {
		return nil
	}
	for i, line := range s.lines {
		line, _, _ = strings.Cut(line, "#")
		for word := range strings.FieldsSeq(line) {
			if err := do(s.line+i, word); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *file) program(v *Vector) error {
	text, raw := f.sections["asm"], f.sections["raw"]
	if text == nil && raw == nil {
		return f.errorf(0, "there is no program: neither section asm nor raw")
	}
	v.Program = &spec.Program{}
	if text != nil {
		// Blank lines in front keep the file's line numbers.
		p, err := asm.Assemble(f.name, strings.Repeat("\n", text.line-1)+strings.Join(text.lines, "\n"), nil)
		if err != nil {
			return err
		}
		v.Program = p
	}
	v.Program.Name = v.Name
	var code []isa.Instruction
	err := f.words("raw", func(line int, word string) error {
		slot, err := strconv.ParseUint(word, 0, 64)
		if err != nil {
			return f.errorf(line, "%q is no 64-bit number", word)
		}
		wire := binary.LittleEndian.AppendUint64(nil, slot)
		in, err := isa.Decode(wire, binary.LittleEndian)
		if err != nil {
			return f.errorf(line, "%v", err)
		}
		if n := len(code); text != nil && (n >= len(v.Program.Insns) || v.Program.Insns[n] != in[0]) {
			return f.errorf(line, "section raw is not the program of section asm: slot %d differs", n)
		}
		code = append(code, in...)
		return nil
	})
	if err != nil {
		return err
	}
	if raw != nil && text != nil && len(code) != len(v.Program.Insns) {
		return f.errorf(raw.line, "section raw has %d slots, the program of section asm %d", len(code), len(v.Program.Insns))
	}
	if raw != nil {
		v.Program.Insns = code
	}
	return f.words("type", func(line int, word string) error {
		t, err := spec.ParseProgramType(word)
		if err != nil {
			return f.errorf(line, "%v", err)
		}
		v.Program.Type, v.Program.License = t, "GPL"
		return nil
	})
}

func (f *file) memory(v *Vector) error {
	return f.words("mem", func(line int, word string) error {
		b, err := strconv.ParseUint(word, 16, 8)
		if err != nil {
			return f.errorf(line, "%q is no byte in hex", word)
		}
		v.Mem = append(v.Mem, byte(b))
		return nil
	})
}

func (f *file) outcome(v *Vector) error {
	if s := f.sections["error"]; s != nil {
		v.Error = strings.TrimSpace(strings.Join(s.lines, " "))
		if v.Error == "" {
			return f.errorf(s.line, "section error is empty: expected what goes wrong")
		}
		return nil
	}
	seen := false
	err := f.words("result", func(line int, word string) error {
		if seen {
			return f.errorf(line, "second result %q", word)
		}
		seen = true
		var err error
		if strings.HasPrefix(word, "-") {
			var n int64
			n, err = strconv.ParseInt(word, 0, 64)
			v.Result = uint64(n)
		} else {
			v.Result, err = strconv.ParseUint(word, 0, 64)
		}
		if err != nil {
			return f.errorf(line, "%q is no 64-bit number", word)
		}
		return nil
	})
	if err == nil && !seen {
		return f.errorf(0, "there is no section result with a number, nor a section error")
	}
	return err
}

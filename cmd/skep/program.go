// Implements the recognition of programs: what a file holds, told by its content.

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// dialectClassic is the name of the classic assembler language among the dialects of package asm.
const dialectClassic = "bpf_asm"

// dialectNames are the values of --dialect.
var dialectNames = []string{asm.Auto.String(), asm.Assign.String(), asm.UBPF.String(), asm.Doc.String(), dialectClassic}

// source is a file whose form has been recognised and which has been read.
type source struct {
	file string
	spec spec.Collection

	// typed tells that the file says what types its programs have.
	typed bool

	// For classic code: the code and its translation, of which the collection holds the program.
	classic     []bpf.RawInstruction
	translation *classic.Translation
}

// recognise reads the content of a file that holds a program. Errors name the file. dialect is that of text, and
// objects says how to read object files, if not with the types of this kernel.
func recognise(file string, data []byte, raw bool, dialect string, objects ...elf.Options) (*source, error) {
	s := &source{file: shown(file)}
	fail := func(format string, args ...any) (*source, error) {
		return nil, fmt.Errorf("%s: %w", s.file, fmt.Errorf(format, args...))
	}
	switch {
	case raw:
		insns, err := isa.Decode(data, binary.LittleEndian)
		if err != nil {
			return fail("%w", err)
		}
		s.single(&spec.Program{Insns: insns})
		return s, nil
	case len(bytes.TrimSpace(data)) == 0:
		return fail("it is empty, expected a program")
	case elf.Is(data):
		opts := elf.Options{}
		for _, o := range objects {
			opts = o
		}
		opts.NoTypes = elf.AsCompiled
		c, err := elf.Load(data, &opts)
		if err != nil {
			return fail("%w", err)
		}
		s.spec, s.typed = *c, true
		return s, nil
	case spec.IsJSON(data):
		c, err := spec.ParseJSON(data)
		if err != nil {
			return nil, fmt.Errorf("%s:%w", s.file, err)
		}
		s.spec, s.typed = *c, true
		return s, nil
	case bytes.IndexByte(data, 0) >= 0:
		if len(data)%isa.InstructionSize == 0 {
			return fail("it looks like bytecode (%d bytes, so %d instructions): add --raw", len(data), len(data)/isa.InstructionSize)
		}
		return fail("it is neither text nor bytecode: it has bytes that are zero, and %d bytes are not a multiple of %d", len(data), isa.InstructionSize)
	case dialect == dialectClassic || dialect == asm.Auto.String() && classic.Detect(string(data)) != classic.NotClassic:
		return s, s.readClassic(string(data), dialect)
	}
	d, err := asm.ParseDialect(dialect)
	if err != nil {
		return nil, usagef("unknown dialect %q: it is one of %s", dialect, strings.Join(dialectNames, ", "))
	}
	p, err := asm.Assemble(s.file, string(data), &asm.Options{Dialect: d, Helper: helper.ID})
	if err != nil {
		return nil, err
	}
	s.single(p)
	return s, nil
}

// single makes p, which has no name, the only program.
func (s *source) single(p *spec.Program) {
	base := filepath.Base(s.file)
	p.Name = strings.TrimSuffix(base, filepath.Ext(base))
	p.License = "GPL" // nothing asks for a licence here, and the kernel wants to be told one
	s.spec.Programs = []spec.Program{*p}
}

// readClassic reads and translates classic code. Bad text is an error about the input, code that the rules
// of classic BPF refuse is an answer.
func (s *source) readClassic(text, dialect string) (err error) {
	if dialect == dialectClassic {
		s.classic, err = classic.Assemble(s.file, text)
	} else {
		s.classic, err = classic.Parse(s.file, text)
	}
	if err != nil {
		return err
	}
	if s.translation, err = classic.Translate(s.classic); err != nil {
		return no(fmt.Errorf("%s: %w", s.file, err))
	}
	s.single(s.translation.Program)
	s.typed = true
	return nil
}

// choose returns the program with the given name; the name may be empty if there is but one.
func (s *source) choose(name string) (*spec.Program, error) {
	var names []string
	for i := range s.spec.Programs {
		p := &s.spec.Programs[i]
		if p.Name == name || name == "" && len(s.spec.Programs) == 1 {
			return p, nil
		}
		names = append(names, p.Name)
	}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("%s: there is no program in it", s.file)
	case name == "":
		return nil, usageError{fmt.Errorf("%s has %d programs, choose one with --program: %s", s.file, len(names), strings.Join(names, ", "))}
	}
	return nil, fmt.Errorf("%s: there is no program %q, it has %s", s.file, name, strings.Join(names, ", "))
}

// setType sets the program's type: the one asked for, the file's, or the default.
func (s *source) setType(p *spec.Program, asked string, otherwise spec.ProgramType) error {
	if asked != "" {
		t, err := spec.ParseProgramType(asked)
		if err != nil {
			return usageError{errors.New("--type: " + err.Error())}
		}
		p.Type = t
	} else if !s.typed || p.Section == ".text" { // where functions for user space are
		p.Type = otherwise
	} else if p.Type == spec.Unspec && p.Section != "" {
		return usageError{fmt.Errorf("%s: program %s stands in section %q, which tells no type: say one with --type", s.file, p.Name, p.Section)}
	}
	return nil
}

package prove

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// FuzzCheck proves any code: what is proved does not leave a record in the sandbox.
func FuzzCheck(f *testing.F) {
	for _, c := range cases {
		if c.arg != bytesRecord {
			continue
		}
		p, err := asm.Assemble(c.name, c.text+"\n", nil)
		if err != nil {
			f.Fatal(err)
		}
		var code []byte
		for _, in := range p.Insns {
			code = binary.LittleEndian.AppendUint16(append(code, in.Code, in.Regs), uint16(in.Off))
			code = binary.LittleEndian.AppendUint32(code, uint32(in.Imm))
		}
		f.Add(code, []byte{8, 0, 0, 0, 12, 0, 0, 0, 'a', 'b', 'c'})
	}
	f.Fuzz(func(t *testing.T, code, rec []byte) {
		p := &spec.Program{Name: "fuzz"}
		for ; len(code) >= 8 && len(p.Insns) < 500; code = code[8:] {
			p.Insns = append(p.Insns, isa.Instruction{Code: code[0], Regs: code[1], Off: int16(binary.LittleEndian.Uint16(code[2:])), Imm: int32(binary.LittleEndian.Uint32(code[4:]))})
		}
		d, err := ir.Decode(p, ir.Options{})
		if err != nil || Check(d, bytesRecord, func(ir.Index) *Memory { return nil }) != nil {
			return
		}
		prog, err := skep.Load(p, &skep.Options{Engine: skep.EngineInterp, Unverified: true})
		if err != nil {
			return
		}
		if _, err := prog.Run(&skep.RunOptions{Data: rec, Limit: 10_000}); err != nil && !errors.Is(err, skep.ErrLimit) {
			t.Errorf("proved code on %d bytes: %v", len(rec), err)
		}
	})
}

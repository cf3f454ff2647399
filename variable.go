// Implements global variables of programs: pieces of the values of maps.

package skep

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Variable is a global variable of programs. It is safe for concurrent use: words of up to 8 bytes are read and
// written in one piece.
type Variable struct {
	v  spec.Variable
	m  *bpfmap.Local
	at int // in the memory of the map
}

func newVariable(v spec.Variable, m *bpfmap.Local) (*Variable, error) {
	at, ok := m.LookupOffset(make([]byte, m.Spec().KeySize), 0)
	if !ok || uint64(v.Offset)+uint64(v.Size) > valueSize(m.Spec()) {
		return nil, fmt.Errorf("variable %q, %d bytes at %d, does not lie in map %q, whose value has %d bytes", v.Name, v.Size, v.Offset, m.Spec().Name, valueSize(m.Spec()))
	}
	return &Variable{v, m, at + int(v.Offset)}, nil
}

// Size returns the variable's size in bytes.
func (v *Variable) Size() uint64 { return uint64(v.v.Size) }

// Type returns the variable's type as the object file describes it, or nil.
func (v *Variable) Type() btf.Type { return v.v.Type }

// ReadOnly reports whether programs cannot change the variable.
func (v *Variable) ReadOnly() bool {
	_, write := v.m.ProgAccess()
	return !write
}

// Get reads the variable into out: a pointer to a value of its size, such as a fixed-size number or struct, or a []byte.
func (v *Variable) Get(out any) error {
	b := v.m.ReadMemory(v.at, int(v.v.Size))
	if to, ok := out.([]byte); ok && len(to) == len(b) {
		copy(to, b)
		return nil
	}
	n, err := binary.Decode(b, binary.LittleEndian, out)
	if err == nil && n != len(b) {
		err = fmt.Errorf("it has %d bytes, not %d", len(b), n)
	}
	if err != nil {
		return fmt.Errorf("variable %q: %w", v.v.Name, err)
	}
	return nil
}

// Set writes the variable: a fixed-size value or bytes. Constants are an error that wraps ErrReadOnly; they are set
// by CollectionOptions.Variables, as programs have been proved safe with the values they had.
func (v *Variable) Set(in any) error {
	b, err := variableBytes(&v.v, in)
	if err != nil {
		return err
	}
	if v.m.Frozen() {
		return fmt.Errorf("variable %q: %w once programs have been loaded (CollectionOptions.Variables sets it ahead of that)", v.v.Name, ErrReadOnly)
	}
	return v.m.WriteMemory(v.at, b)
}

// variableBytes returns the bytes of a value for a variable.
func variableBytes(v *spec.Variable, in any) ([]byte, error) {
	b, err := binary.Append(nil, binary.LittleEndian, in)
	if err == nil && len(b) != int(v.Size) {
		err = fmt.Errorf("it has %d bytes, not %d", v.Size, len(b))
	}
	if err != nil {
		return nil, fmt.Errorf("variable %q: %w", v.Name, err)
	}
	return b, nil
}

// Map returns the name of the map that the variable lies in.
func (v *Variable) Map() string { return v.v.Map }

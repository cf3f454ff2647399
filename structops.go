// Implements tables of functions (struct_ops): programs that Go code calls as the kernel would, by the names of members.

package skep

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// ErrNoMethod is what errors about members of a table wrap that no program stands behind.
var ErrNoMethod = errors.New("no program stands behind this member")

// StructOps is a structure of functions, each a program, and values, as an object file defines one in the section
// .struct_ops for the kernel to call: a congestion control, a scheduler, a queueing discipline. Its methods are safe for
// concurrent use.
type StructOps struct {
	name    string
	value   *bpfmap.Local
	typ     *btf.Struct
	order   []string
	members map[string]*Program
}

// structOps makes the tables of the collection. Programs that were left out have no member.
func (b *builder) structOps() error {
	for i := range b.spec.Maps {
		def := &b.spec.Maps[i]
		if def.Type != spec.StructOpsMap {
			continue
		}
		t := &StructOps{name: def.Name, value: b.out.Maps[def.Name], members: map[string]*Program{}}
		if def.ValueType != nil {
			t.typ, _ = btf.As[*btf.Struct](def.ValueType)
		}
		for _, m := range def.Methods {
			p := b.out.Programs[m.Program]
			if p == nil {
				continue
			}
			name := t.memberAt(m.Offset)
			if name == "" {
				return fmt.Errorf("map %q: program %s stands at %d, where its type has no member", def.Name, m.Program, m.Offset)
			}
			t.members[name] = p
			t.order = append(t.order, name)
		}
		b.out.StructOps[def.Name] = t
	}
	return nil
}

// memberAt returns the name of the member at an offset; without types it is the offset.
func (t *StructOps) memberAt(off uint32) string {
	if t.typ == nil {
		return fmt.Sprintf("+%d", off)
	}
	for _, m := range t.typ.Members {
		if m.Offset.Bytes() == off && m.BitfieldSize == 0 {
			return m.Name
		}
	}
	return ""
}

// Name returns the name of the variable in the object.
func (t *StructOps) Name() string { return t.name }

// Type returns the structure, nil if the object does not describe it.
func (t *StructOps) Type() *btf.Struct { return t.typ }

// Value returns the map whose one element is the structure; the pointers to programs in it are zero.
func (t *StructOps) Value() *bpfmap.Local { return t.value }

// Members returns the names of the members that programs stand behind, in the order of the structure. Where the object
// does not describe it they are offsets, such as +8.
func (t *StructOps) Members() []string { return append([]string(nil), t.order...) }

// Program returns the program behind a member, or nil.
func (t *StructOps) Program(member string) *Program { return t.members[member] }

// Call calls the program behind a member with up to 12 arguments, each in eight bytes, and returns its result. Arguments
// that are pointers are addresses of what Env.Kernel has, which the program can read and change. Errors are those of
// Program.RunContext, or wrap ErrNoMethod.
func (t *StructOps) Call(ctx context.Context, member string, args ...uint64) (uint64, error) {
	p := t.members[member]
	switch {
	case p == nil:
		return 0, fmt.Errorf("%s.%s: %w", t.name, member, ErrNoMethod)
	case len(args) > maxArgs:
		return 0, fmt.Errorf("%s.%s: %d arguments, at most %d are possible", t.name, member, len(args), maxArgs)
	}
	var b [8 * maxArgs]byte
	for i, a := range args {
		binary.LittleEndian.PutUint64(b[8*i:], a)
	}
	r, err := p.RunContext(ctx, &RunOptions{Context: b[:]})
	return r.R0, err
}

// maxArgs is how many arguments a function of the kernel's has at most for programs (MAX_BPF_FUNC_ARGS).
const maxArgs = 12

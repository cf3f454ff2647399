// Implements the printing of types as declarations in C.

package btfprint

import (
	"fmt"
	"iter"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Declare returns the declaration of name with a type, such as "int (*name)[4]", without what the type's own
// name stands for. An empty name gives the type alone.
func Declare(t btf.Type, name string) string {
	d := &declarer{steps: 1 << 16}
	return d.declare(t, name, 0, "")
}

// Define returns the definition of a type with a name: of a structure, union or enumeration its contents, of a
// typedef what it stands for, of a function its prototype. Types without a definition of their own give "".
func Define(t btf.Type) string {
	d := &declarer{steps: 1 << 16}
	switch t := t.(type) {
	case *btf.Struct:
		return d.body("struct", t.Name, t.Members, t.Size, 0, "") + ";"
	case *btf.Union:
		return d.body("union", t.Name, t.Members, t.Size, 0, "") + ";"
	case *btf.Enum:
		return d.enum(t, "") + ";"
	case *btf.Typedef:
		return "typedef " + d.declare(t.Type, t.Name, 0, "") + ";"
	case *btf.Func:
		return linkage(t.Linkage) + d.declare(t.Type, t.Name, 0, "") + ";"
	}
	return ""
}

func linkage(l btf.FuncLinkage) string {
	switch l {
	case btf.StaticFunc:
		return "static "
	case btf.ExternFunc:
		return "extern "
	}
	return ""
}

// Ordered returns those of the types that Define defines, each behind those it cannot do without.
func Ordered(types iter.Seq2[btf.Type, error]) ([]btf.Type, error) {
	o := orderer{seen: map[btf.Type]bool{}, held: map[btf.Type]bool{}}
	var all []btf.Type
	for t, err := range types {
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		o.hold(t)
	}
	for _, t := range all {
		o.need(t, 0)
	}
	return o.out, nil
}

// hold notes enumerations without a name that are written out where they are used.
func (o *orderer) hold(t btf.Type) {
	var parts []btf.Type
	switch t := t.(type) {
	case *btf.Typedef:
		parts = append(parts, t.Type)
	case *btf.Const:
		parts = append(parts, t.Type)
	case *btf.Volatile:
		parts = append(parts, t.Type)
	case *btf.Array:
		parts = append(parts, t.Type)
	case *btf.Pointer:
		parts = append(parts, t.Target)
	case *btf.Var:
		parts = append(parts, t.Type)
	case *btf.FuncProto:
		parts = append(parts, t.Return)
		for _, p := range t.Params {
			parts = append(parts, p.Type)
		}
	default:
		for _, m := range membersOf(t) {
			parts = append(parts, m.Type)
		}
	}
	for _, p := range parts {
		if isEnum(p) && p.TypeName() == "" {
			o.held[p] = true
		}
	}
}

// orderer walks types in depth.
type orderer struct {
	seen map[btf.Type]bool
	held map[btf.Type]bool // inside others
	out  []btf.Type
}

func (o *orderer) need(t btf.Type, depth int) {
	if t == nil || o.seen[t] || depth > 1000 {
		return
	}
	o.seen[t] = true
	switch t := t.(type) {
	case *btf.Struct:
		o.members(t.Members, depth)
	case *btf.Union:
		o.members(t.Members, depth)
	case *btf.Typedef:
		o.need(t.Type, depth+1)
	case *btf.Array:
		o.need(t.Type, depth+1)
	case *btf.Const:
		o.need(t.Type, depth+1)
	case *btf.Volatile:
		o.need(t.Type, depth+1)
	case *btf.TypeTag:
		o.need(t.Type, depth+1)
	case *btf.Pointer:
		// A structure may be declared later, a name for a type not.
		switch target := t.Target.(type) {
		case *btf.Struct, *btf.Union:
			delete(o.seen, t)
		default:
			o.need(target, depth+1)
		}
	case *btf.FuncProto:
		o.need(t.Return, depth+1)
		for _, p := range t.Params {
			o.need(p.Type, depth+1)
		}
	case *btf.Func:
		o.need(t.Type, depth+1)
	}
	if Define(t) != "" && (t.TypeName() != "" || isEnum(t) && !o.held[t]) {
		o.out = append(o.out, t)
	}
}

func isEnum(t btf.Type) bool { _, ok := t.(*btf.Enum); return ok }

func (o *orderer) members(list []btf.Member, depth int) {
	for _, m := range list {
		o.need(m.Type, depth+1)
	}
}

// declarer writes declarations.
type declarer struct{ steps int }

// declare wraps name in what t is made of, from the inside out.
func (d *declarer) declare(t btf.Type, name string, depth int, indent string) string {
	if d.steps--; d.steps < 0 || depth > maxDepth {
		return strings.TrimSpace("/* and so on */ " + name)
	}
	switch t := t.(type) {
	case nil, *btf.Void:
		return joined("void", name)
	case *btf.Pointer:
		inner := "*" + name
		switch btf.QualifiedType(t.Target).(type) {
		case *btf.Array, *btf.FuncProto:
			inner = "(" + inner + ")"
		}
		return d.declare(t.Target, inner, depth+1, indent)
	case *btf.Array:
		return d.declare(t.Type, fmt.Sprintf("%s[%d]", name, t.Nelems), depth+1, indent)
	case *btf.FuncProto:
		var params []string
		for _, p := range t.Params {
			params = append(params, d.param(p, depth, indent))
		}
		if len(params) == 0 {
			params = []string{"void"}
		}
		return d.declare(t.Return, name+"("+strings.Join(params, ", ")+")", depth+1, indent)
	case *btf.Const:
		return d.qualified("const", t.Type, name, depth, indent)
	case *btf.Volatile:
		return d.qualified("volatile", t.Type, name, depth, indent)
	case *btf.Restrict:
		return d.declare(t.Type, "restrict "+name, depth+1, indent)
	case *btf.TypeTag:
		return d.declare(t.Type, joined(fmt.Sprintf(`__attribute__((btf_type_tag(%q)))`, t.Value), name), depth+1, indent)
	case *btf.Var:
		return d.declare(t.Type, name, depth+1, indent)
	case *btf.Struct:
		return joined(d.reference("struct", t.Name, t.Members, t.Size, depth, indent), name)
	case *btf.Union:
		return joined(d.reference("union", t.Name, t.Members, t.Size, depth, indent), name)
	case *btf.Fwd:
		return joined(t.Kind.String()+" "+t.Name, name)
	case *btf.Enum:
		if t.Name == "" {
			return joined(d.enum(t, indent), name)
		}
		return joined("enum "+t.Name, name)
	}
	return joined(t.TypeName(), name)
}

// qualified puts a word before a type, or, if it is about a pointer, between the star and the name.
func (d *declarer) qualified(word string, t btf.Type, name string, depth int, indent string) string {
	if _, ok := t.(*btf.Pointer); ok {
		return d.declare(t, joined(word, name), depth+1, indent)
	}
	return word + " " + d.declare(t, name, depth+1, indent)
}

func (d *declarer) param(p btf.FuncParam, depth int, indent string) string {
	if _, void := p.Type.(*btf.Void); p.Type == nil || void && p.Name == "" {
		return "..."
	}
	return d.declare(p.Type, p.Name, depth+1, indent)
}

func joined(t, name string) string {
	if strings.HasPrefix(name, "[") || name == "" {
		return t + name
	}
	return t + " " + name
}

func (d *declarer) reference(keyword, name string, members []btf.Member, size uint32, depth int, indent string) string {
	if name != "" {
		return keyword + " " + name
	}
	return d.body(keyword, "", members, size, depth+1, indent)
}

// body writes a structure or a union with its members.
func (d *declarer) body(keyword, name string, members []btf.Member, size uint32, depth int, indent string) string {
	var b strings.Builder
	b.WriteString(joined(keyword, name) + " {")
	for _, m := range members {
		fmt.Fprintf(&b, "\n%s\t%s", indent, d.declare(m.Type, m.Name, depth+1, indent+"\t"))
		if m.BitfieldSize > 0 {
			fmt.Fprintf(&b, ": %d", m.BitfieldSize)
		}
		for _, tag := range m.Tags {
			fmt.Fprintf(&b, " __attribute__((btf_decl_tag(%q)))", tag)
		}
		b.WriteString(";")
		if depth == 0 && keyword == "struct" {
			fmt.Fprintf(&b, " /* %d */", m.Offset.Bytes())
		}
	}
	if len(members) > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString("}")
	if depth == 0 {
		fmt.Fprintf(&b, " /* %d bytes */", size)
	}
	return b.String()
}

func (d *declarer) enum(t *btf.Enum, indent string) string {
	var b strings.Builder
	b.WriteString(joined("enum", t.Name) + " {")
	for _, v := range t.Values {
		if t.Signed {
			fmt.Fprintf(&b, "\n%s\t%s = %d,", indent, v.Name, int64(v.Value))
		} else {
			fmt.Fprintf(&b, "\n%s\t%s = %d,", indent, v.Name, v.Value)
		}
	}
	b.WriteString("\n" + indent + "}")
	return b.String()
}

// Implements filling in structs with the programs, maps and variables of a collection, as cilium/ebpf does.

package skep

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// LoadAndAssign makes of a collection what the fields of the struct that to points to ask for, and puts it there.
// Fields with a tag `ebpf:"name"` get the program, map or variable of that name: their types are *Program,
// *bpfmap.Local (Map), bpfmap.Map, *Variable and *StructOps. Structs in the struct are filled in as well. Only programs that
// have a field are loaded; opts may be nil.
func LoadAndAssign[S Source](from S, to any, opts *CollectionOptions) error {
	if opts == nil {
		opts = &CollectionOptions{}
	}
	fields, err := taggedFields(to)
	if err != nil {
		return err
	}
	c, err := collectionOf(from, opts)
	if err != nil {
		return err
	}
	own := *opts
	for _, f := range fields {
		if f.value.Type() == reflect.TypeFor[*Program]() {
			own.Only = append(own.Only, f.name)
		}
	}
	own.Only = append(own.Only, needed(c, fields)...)
	if len(own.Only) == 0 {
		without := *c
		without.Programs = nil
		c = &without
	}
	coll, err := newCollection(c, &own)
	if err != nil {
		return err
	}
	return coll.assign(fields)
}

// needed returns the programs that maps of programs name, and those of tables of functions that are asked for.
func needed(c *spec.Collection, fields []taggedField) (names []string) {
	for _, m := range c.Maps {
		asked := func(f taggedField) bool { return f.name == m.Name && f.value.Type() == reflect.TypeFor[*StructOps]() }
		if slices.ContainsFunc(fields, asked) {
			for _, method := range m.Methods {
				names = append(names, method.Program)
			}
		}
		for _, e := range m.Contents {
			if e.Program != "" {
				names = append(names, e.Program)
			}
		}
	}
	return names
}

// Assign fills in a struct as LoadAndAssign does.
func (c *Collection) Assign(to any) error {
	fields, err := taggedFields(to)
	if err != nil {
		return err
	}
	return c.assign(fields)
}

// taggedField is a field of a struct that wants something by name.
type taggedField struct {
	name  string
	path  string
	value reflect.Value
}

// taggedFields returns the fields of the struct that to points to, and of structs in it.
func taggedFields(to any) ([]taggedField, error) {
	v := reflect.ValueOf(to)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("a pointer to a struct is needed, not %T", to)
	}
	return appendFields(nil, v.Elem(), v.Elem().Type().Name())
}

func appendFields(out []taggedField, v reflect.Value, path string) ([]taggedField, error) {
	for i := range v.NumField() {
		f, at := v.Type().Field(i), path+"."+v.Type().Field(i).Name
		name, tagged := f.Tag.Lookup("ebpf")
		switch {
		case tagged && name == "":
			return nil, fmt.Errorf("%s: its tag names nothing", at)
		case tagged && !v.Field(i).CanSet():
			return nil, fmt.Errorf("%s: it is not exported", at)
		case tagged:
			out = append(out, taggedField{name, at, v.Field(i)})
		case f.Type.Kind() == reflect.Struct:
			var err error
			if out, err = appendFields(out, v.Field(i), at); err != nil {
				return nil, err
			}
		case f.Type.Kind() == reflect.Pointer && f.Type.Elem().Kind() == reflect.Struct && f.Anonymous:
			if v.Field(i).IsNil() {
				return nil, fmt.Errorf("%s: it is nil", at)
			}
			var err error
			if out, err = appendFields(out, v.Field(i).Elem(), at); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (c *Collection) assign(fields []taggedField) error {
	for _, f := range fields {
		found, ok := any(nil), false
		switch f.value.Type() {
		case reflect.TypeFor[*Program]():
			found, ok = c.Programs[f.name], c.Programs[f.name] != nil
		case reflect.TypeFor[*bpfmap.Local](), reflect.TypeFor[bpfmap.Map]():
			found, ok = c.Maps[f.name], c.Maps[f.name] != nil
		case reflect.TypeFor[*StructOps]():
			found, ok = c.StructOps[f.name], c.StructOps[f.name] != nil
		case reflect.TypeFor[*Variable]():
			found, ok = c.Variables[f.name], c.Variables[f.name] != nil
		default:
			return fmt.Errorf("%s: a field of type %s cannot hold a program, map or variable", f.path, f.value.Type())
		}
		if !ok {
			return fmt.Errorf("%s: there is no %q of type %s in the collection", f.path, f.name, f.value.Type())
		}
		f.value.Set(reflect.ValueOf(found))
	}
	return nil
}

// Implements the search for what the kernel treats specially in a map's value: locks, timers, pointers, lists.

package elf

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// fieldTypes are the structures that make a field special.
var fieldTypes = map[string]spec.FieldKind{
	"bpf_spin_lock": spec.SpinLock, "bpf_res_spin_lock": spec.ResSpinLock, "bpf_timer": spec.Timer, "bpf_wq": spec.WorkQueue,
	"bpf_task_work": spec.TaskWork, "bpf_list_head": spec.ListHead, "bpf_list_node": spec.ListNode,
	"bpf_rb_root": spec.RBRoot, "bpf_rb_node": spec.RBNode, "bpf_refcount": spec.Refcount,
}

// pointerTags are the tags that make a pointer special.
var pointerTags = map[string]spec.FieldKind{
	"kptr": spec.Kptr, "kptr_ref": spec.Kptr, "kptr_untrusted": spec.KptrUntrusted, "percpu_kptr": spec.PerCPUKptr, "uptr": spec.Uptr,
}

// Limits: the kernel looks at so many special fields, and goes so deep.
const (
	maxFields = 64
	maxDepth  = 8
)

// fieldFinder walks a type.
type fieldFinder struct {
	types  *btf.Spec // to look up what lists contain
	fields []spec.MapField
	steps  int
}

// specialFields finds the special fields of a type.
func specialFields(types *btf.Spec, t btf.Type) []spec.MapField {
	f := &fieldFinder{types: types, steps: 10000}
	f.walk(t, nil, 0, 0)
	return f.fields
}

func (f *fieldFinder) walk(t btf.Type, tags []string, off uint32, depth int) {
	if f.steps--; f.steps < 0 || depth > maxDepth || len(f.fields) >= maxFields {
		return
	}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		if kind, ok := fieldTypes[t.Name]; ok {
			field := spec.MapField{Kind: kind, Offset: off}
			field.Type, field.Node = f.contained(tags)
			f.fields = append(f.fields, field)
			return
		}
		for _, m := range t.Members {
			f.walk(m.Type, m.Tags, off+m.Offset.Bytes(), depth+1)
		}
	case *btf.Datasec:
		for _, v := range t.Vars {
			if va, ok := v.Type.(*btf.Var); ok {
				f.walk(va.Type, va.Tags, off+v.Offset, depth+1)
			}
		}
	case *btf.Array:
		if size, err := btf.Sizeof(t.Type); err == nil {
			before := len(f.fields)
			for i := uint32(0); i < t.Nelems && f.steps > 0; i++ {
				f.walk(t.Type, tags, off+i*uint32(size), depth+1)
				if len(f.fields) == before {
					break // the elements are all alike
				}
			}
		}
	case *btf.Pointer:
		if tag, ok := t.Target.(*btf.TypeTag); ok {
			if kind, ok := pointerTags[tag.Value]; ok {
				f.fields = append(f.fields, spec.MapField{Kind: kind, Offset: off, Type: tag.Type})
			}
		}
	}
}

// contained finds out what a list or tree says of its elements, "contains:type:field".
func (f *fieldFinder) contained(tags []string) (btf.Type, string) {
	for _, tag := range tags {
		rest, ok := strings.CutPrefix(tag, "contains:")
		name, node, _ := strings.Cut(rest, ":")
		if !ok || f.types == nil {
			continue
		}
		var s *btf.Struct
		if f.types.TypeByName(name, &s) == nil {
			return s, node
		}
		return nil, node
	}
	return nil, ""
}

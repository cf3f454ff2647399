package skep_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// scheduler loads the object with a table of functions, from its file or by way of cilium/ebpf.
func scheduler(t *testing.T, cilium bool, opts *skep.CollectionOptions) *skep.Collection {
	t.Helper()
	data := objtest.Object(t, "sched")
	opts.Object.NoTypes = elf.AsCompiled
	if cilium {
		cs, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		c, err := skep.NewCollectionWithOptions(cs, opts)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	file, err := elf.Load(data, &opts.Object)
	if err != nil {
		t.Fatal(err)
	}
	c, err := skep.NewCollectionWithOptions(file, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestStructOps calls the programs of a table, which change what they are given.
func TestStructOps(t *testing.T) {
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		job := make([]byte, 24)
		binary.LittleEndian.PutUint64(job[8:], 3)
		binary.LittleEndian.PutUint32(job[20:], 77)
		const at = 0xffff_8880_0000_0000
		env := &helper.Env{Kernel: []helper.Region{{Addr: at, Data: job}}}
		types, err := elf.Types(objtest.Object(t, "sched"))
		if err != nil {
			t.Fatal(err)
		}
		c := scheduler(t, false, &skep.CollectionOptions{Object: elf.Options{KernelTypes: []*btf.Spec{types}}, Programs: skep.Options{Engine: engine, Env: env, Unverified: true}})
		fair := c.StructOps["fair"]
		if got := fair.Members(); !slices.Equal(got, []string{"select", "enqueue", "init", "exit"}) || fair.Type().Name != "scheduler_ops" || fair.Name() != "fair" {
			t.Fatal(got)
		}
		call := func(member string, args ...uint64) uint64 {
			t.Helper()
			r, err := fair.Call(t.Context(), member, args...)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if got := call("select", at, 2); got != 3 {
			t.Error(got)
		}
		if got := call("select", at, 3); got != 0 {
			t.Error(got)
		}
		call("enqueue", at, 5)
		if got := binary.LittleEndian.Uint64(job); got != 3005 {
			t.Error(got)
		}
		var id int32
		if err := c.Maps["waiting"].LookupAndDelete(nil, &id); err != nil || id != 77 {
			t.Errorf("%d, %v", id, err)
		}
		if got := call("init"); int32(got) != -22 {
			t.Error(got)
		}
		call("exit", 9)
		var left int32
		if err := c.Variables["left"].Get(&left); err != nil || left != 9 {
			t.Errorf("%d, %v", left, err)
		}
		value, err := fair.Value().LookupBytes(uint32(0))
		if err != nil || binary.LittleEndian.Uint64(value[32:]) != 6 || string(value[40:44]) != "fair" {
			t.Errorf("%x, %v", value, err)
		}
		if _, err := fair.Call(t.Context(), "dequeue"); !errors.Is(err, skep.ErrNoMethod) {
			t.Error(err)
		}
		if _, err := fair.Call(t.Context(), "exit", make([]uint64, 13)...); err == nil {
			t.Error("13 arguments")
		}
		if _, err := fair.Call(t.Context(), "enqueue", at+24, 0); err == nil {
			t.Error("a write behind what there is")
		}
	}
}

// TestStructOpsAssign fills in a struct, which loads the programs of the table that it names.
func TestStructOpsAssign(t *testing.T) {
	file, err := elf.Load(objtest.Object(t, "sched"), &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Fatal(err)
	}
	var to struct {
		Fair *skep.StructOps `ebpf:"fair"`
	}
	if err := skep.LoadAndAssign[*spec.Collection](file, &to, &skep.CollectionOptions{Programs: skep.Options{Unverified: true}}); err != nil {
		t.Fatal(err)
	}
	if r, err := to.Fair.Call(t.Context(), "select", 0, 1); err != nil || r != 2 || to.Fair.Program("init") == nil {
		t.Errorf("%d, %v", r, err)
	}
	if r, err := scheduler(t, true, &skep.CollectionOptions{Programs: skep.Options{Unverified: true}}).StructOps["fair"].Call(t.Context(), "select", 0, 1); err != nil || r != 2 {
		t.Errorf("from cilium/ebpf: %d, %v", r, err)
	}
}

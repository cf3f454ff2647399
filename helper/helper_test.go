package helper_test

import (
	"errors"
	"testing"

	"github.com/skepbpf/skep/helper"
)

func body(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return 0, nil }

// TestTable checks that every standard helper keeps the rules and has the kernel's name.
func TestTable(t *testing.T) {
	seen := map[int32]bool{}
	for _, h := range helper.Table() {
		if err := h.Check(); err != nil {
			t.Error(err)
		}
		if seen[h.ID] {
			t.Errorf("helper %d is there twice", h.ID)
		}
		seen[h.ID] = true
		if name, ok := helper.Name(h.ID); !ok || name != h.Name {
			t.Errorf("helper %d is called %q here and %q by the kernel", h.ID, h.Name, name)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]int32{"map_lookup_elem": 1, "bpf_map_lookup_elem": 1, "ktime_get_ns": 5, "tail_call": 12,
		"redirect_map": 51, "loop": 181, "user_ringbuf_drain": 209, "cgrp_storage_delete": 211} {
		if id, ok := helper.ID(name); !ok || id != want {
			t.Errorf("%s is %d (%v), want %d", name, id, ok, want)
		}
	}
	if _, ok := helper.ID("no_such_helper"); ok {
		t.Error("no_such_helper has a number")
	}
	for _, id := range []int32{-1, 212, 1 << 30} {
		if name, ok := helper.Name(id); ok {
			t.Errorf("helper %d is called %q", id, name)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		h    helper.Helper
		good bool
	}{
		{helper.Helper{ID: 1, Name: "a", Func: body}, true},
		{helper.Helper{ID: 1, Name: "a", Func: body, Args: []helper.Arg{helper.Mem, helper.Size, helper.MemOut, helper.SizeOr0, helper.Any}}, true},
		{helper.Helper{ID: 1, Func: body}, false},
		{helper.Helper{ID: 1, Name: "a"}, false},
		{helper.Helper{ID: 1, Name: "a", Func: body, Args: make([]helper.Arg, 6)}, false},
		{helper.Helper{ID: 1, Name: "a", Func: body, Args: []helper.Arg{helper.Mem}}, false},
		{helper.Helper{ID: 1, Name: "a", Func: body, Args: []helper.Arg{helper.Size}}, false},
		{helper.Helper{ID: 1, Name: "a", Func: body, Args: []helper.Arg{helper.Any, helper.Size}}, false},
		{helper.Helper{ID: 1, Name: "a", Func: body, Args: []helper.Arg{helper.Mem, helper.Any}}, false},
	} {
		if err := c.h.Check(); (err == nil) != c.good {
			t.Errorf("%+v: %v", c.h.Args, err)
		}
	}
	six := helper.Helper{ID: 1, Name: "six", Func: body, Args: make([]helper.Arg, 6)}
	if err := six.Check(); !errors.Is(err, helper.ErrTooManyArgs) {
		t.Errorf("six arguments: %v", err)
	}
}

// TestEnvironment checks that what a test fixes is what helpers see.
func TestEnvironment(t *testing.T) {
	fixed := &helper.Call{Env: &helper.Env{Now: func() uint64 { return 123 }, Random: func() uint32 { return 0xffffffff }, CPU: func() uint32 { return 3 }}}
	real := &helper.Call{}
	for _, h := range helper.Table() {
		want, known := map[string]uint64{"ktime_get_ns": 123, "get_prandom_u32": 0xffffffff, "get_smp_processor_id": 3}[h.Name]
		if !known {
			continue
		}
		if got, err := h.Func(fixed, 0, 0, 0, 0, 0); err != nil || got != want {
			t.Errorf("%s gives %d (%v), want %d", h.Name, got, err, want)
		}
		if _, err := h.Func(real, 0, 0, 0, 0, 0); err != nil {
			t.Errorf("%s: %v", h.Name, err)
		}
	}
}

func TestArgString(t *testing.T) {
	for a, want := range map[helper.Arg]string{
		helper.Any: "any", helper.Fixed(helper.MemOut, 8) | helper.Aligned: "mem-out[8]|aligned",
		helper.Mem | helper.OrNull: "mem|or-null", helper.PerCPU: "per-cpu", helper.Arg(200): "arg(200)",
	} {
		if got := a.String(); got != want {
			t.Errorf("%d: %s, want %s", uint64(a), got, want)
		}
	}
}

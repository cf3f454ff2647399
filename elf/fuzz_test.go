// Implements fuzzing of the loader: no bytes make it panic, and what it accepts can be written as spec JSON.

package elf_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

func FuzzLoad(f *testing.F) {
	for _, name := range []string{"ops", "text", "legacy", "extern", "fields", "nested", "globals", "lpm"} {
		f.Add(objtest.Object(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := elf.Load(data, asCompiled)
		if err != nil {
			var typed *elf.Error
			if !errors.As(err, &typed) || c != nil || err.Error() == "" {
				t.Fatalf("%#v", err)
			}
			if strings.Contains(err.Error(), "went wrong in github.com/skepbpf") || strings.Contains(err.Error(), "runtime error") && !strings.Contains(err.Error(), "cilium") && !strings.Contains(err.Error(), "debug/elf") {
				t.Fatal(err)
			}
			return
		}
		slots := 0
		for i := range c.Programs {
			slots += len(c.Programs[i].Insns)
		}
		if slots > 1<<22 {
			t.Fatalf("%d instructions", slots)
		}
		if _, err := c.MarshalJSON(); err != nil && utf8.ValidString(err.Error()) && !notText(c) {
			t.Fatal(err)
		}
	})
}

// notText reports whether the object has names that JSON cannot hold, or maps of types that are not known.
func notText(c *spec.Collection) bool {
	for i := range c.Maps {
		m := &c.Maps[i]
		if _, err := spec.ParseMapType(m.Type.String()); err != nil || !utf8.ValidString(m.Name) || m.Inner != nil {
			return true
		}
	}
	for i := range c.Programs {
		p := &c.Programs[i]
		for _, s := range []string{p.Name, p.License, p.Section, p.AttachTo} {
			if !utf8.ValidString(s) {
				return true
			}
		}
		for _, l := range p.Lines {
			if !utf8.ValidString(l.Text) || !utf8.ValidString(l.File) {
				return true
			}
		}
		for _, s := range p.Funcs {
			if !utf8.ValidString(s.Name) {
				return true
			}
		}
		for _, s := range p.Calls {
			if !utf8.ValidString(s.Helper) {
				return true
			}
		}
		for _, s := range p.Externs {
			if !utf8.ValidString(s.Name) {
				return true
			}
		}
	}
	for _, v := range c.Variables {
		if !utf8.ValidString(v.Name) {
			return true
		}
	}
	return false
}

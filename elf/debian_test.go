// Implements the test over objects that Debian ships: those of ir-keytable, and those inside the programs of
// libbpf-tools. It skips what is not installed.

package elf_test

import (
	"testing"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// TestDebianObjects loads every object, and decodes every program.
func TestDebianObjects(t *testing.T) {
	objects := objtest.Debian(t)
	if len(objects) == 0 {
		t.Skip("neither ir-keytable nor libbpf-tools is installed")
	}
	programs := 0
	for name, data := range objects {
		c, err := elf.Load(data, &elf.Options{NoTypes: elf.AsCompiled})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.Programs) == 0 {
			t.Errorf("%s: no programs", name)
		}
		programs += len(c.Programs)
		checkPrograms(t, name, c)
		compareWithCilium(t, name, data, c)
	}
	t.Logf("%d objects, %d programs", len(objects), programs)
}

// checkPrograms decodes all programs, and writes the collection as JSON, which checks all references.
func checkPrograms(t *testing.T, name string, c *spec.Collection) {
	t.Helper()
	for i := range c.Programs {
		if _, err := ir.Decode(&c.Programs[i], ir.Options{}); err != nil {
			t.Errorf("%s: program %s: %v", name, c.Programs[i].Name, err)
		}
		if c.Programs[i].Type == spec.Unspec {
			t.Errorf("%s: program %s in section %s has no type", name, c.Programs[i].Name, c.Programs[i].Section)
		}
	}
	if _, err := c.MarshalJSON(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// Implements the test over objects that Debian ships: those of ir-keytable, and those inside the programs of
// libbpf-tools. It skips what is not installed.

package elf_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/spec"
)

// TestDebianObjects loads every object, and decodes every program.
func TestDebianObjects(t *testing.T) {
	files, _ := filepath.Glob("/lib/udev/rc_keymaps/protocols/*.o")
	objects := map[string][]byte{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		objects[f] = data
	}
	for name, data := range embeddedObjects(t) {
		objects[name] = data
	}
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

// embeddedObjects finds the BPF objects inside the executables of libbpf-tools: they start like any ELF file,
// and end with the table of sections.
func embeddedObjects(t *testing.T) map[string][]byte {
	list, err := os.ReadFile("/var/lib/dpkg/info/libbpf-tools.list")
	if err != nil {
		return nil
	}
	objects := map[string][]byte{}
	for _, name := range bytes.Fields(list) {
		file := string(name)
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for at, n := 4, 0; at < len(data); at++ {
			next := bytes.Index(data[at:], []byte("\x7fELF\x02\x01\x01"))
			if next < 0 {
				break
			}
			at += next
			object := data[at:]
			if len(object) < 64 || binary.LittleEndian.Uint16(object[18:]) != 247 { // EM_BPF
				continue
			}
			end := binary.LittleEndian.Uint64(object[40:]) + uint64(binary.LittleEndian.Uint16(object[58:]))*uint64(binary.LittleEndian.Uint16(object[60:]))
			if end <= uint64(len(object)) {
				objects[filepath.Base(file)+"#"+string(rune('0'+n))] = object[:end]
				n++
			}
		}
	}
	return objects
}

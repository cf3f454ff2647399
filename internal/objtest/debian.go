// Implements finding the objects that Debian ships: those of ir-keytable, and those inside the programs of libbpf-tools.

package objtest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// Debian returns the objects that are installed, by name; none if the packages are not.
func Debian(t testing.TB) map[string][]byte {
	t.Helper()
	objects := embedded(t)
	if objects == nil {
		objects = map[string][]byte{}
	}
	files, _ := filepath.Glob("/lib/udev/rc_keymaps/protocols/*.o")
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		objects[f] = data
	}
	return objects
}

// embedded finds the BPF objects inside the executables of libbpf-tools: they start like any ELF file,
// and end with the table of sections.
func embedded(t testing.TB) map[string][]byte {
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

// Implements the standard table and its look-ups by number and by name.

package helper

import (
	"slices"
	"strings"
)

// table holds the families; each file of the package adds one.
var table = slices.Concat(timeAndChance, mapElements, classicLoads)

// Table returns the standard helpers by number. The slice is the caller's.
func Table() []Helper { return slices.Clone(table) }

// Names returns the numbers of the kernel's helpers by name, without the "bpf_" prefix: all of them, also
// those that Skep has no body for.
func Names() map[string]int32 {
	m := make(map[string]int32, len(linuxNames))
	for id, name := range linuxNames {
		m[name] = int32(id)
	}
	for i := range table {
		m[table[i].Name] = table[i].ID
	}
	return m
}

var byName = Names()

// ID returns the number of the helper with the given name, with or without "bpf_".
func ID(name string) (int32, bool) {
	id, ok := byName[strings.TrimPrefix(name, "bpf_")]
	return id, ok
}

// Name returns the name of the helper with the given number, without "bpf_".
func Name(id int32) (string, bool) {
	if id >= 0 && int(id) < len(linuxNames) {
		return linuxNames[id], true
	}
	for i := range table {
		if table[i].ID == id {
			return table[i].Name, true
		}
	}
	return "", false
}

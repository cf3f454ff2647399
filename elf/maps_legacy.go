// Implements map definitions without types: structures of numbers in sections named maps, of any size.

package elf

import (
	stdelf "debug/elf"
	"encoding/binary"
	"strconv"
	"strings"

	"github.com/skepbpf/skep/spec"
)

// legacyMap is such a definition. All begin with type, key size, value size, number of entries and flags;
// what follows differs. That of the kernel's samples has the index of the inner map. That of iproute2 has an
// identifier, how to pin the map, and the identifier and index of the inner map.
type legacyMap struct {
	index int // into the collection's maps
	words []uint32
}

// The places of iproute2's fields, and the size of that structure.
const (
	wordInnerIndex = 5 // of the samples
	wordID         = 5
	wordInnerID    = 7
	wordsIproute2  = 9
)

func (o *object) loadLegacyMaps(sec *section) error {
	if sec.data == nil {
		return sec.wrong("it holds no map definitions, only zeros")
	}
	syms := o.inSection(sec, stdelf.STT_OBJECT, stdelf.STT_NOTYPE)
	var made []legacyMap
	for i, s := range syms {
		if i > 0 && syms[i-1].Value == s.Value {
			continue // another name for the same
		}
		end := sec.size
		if s.Size > 0 {
			end = min(end, s.Value+s.Size)
		} else if next := nextAfter(syms[i:], s.Value); next != 0 {
			end = next
		}
		if end < s.Value || end > uint64(len(sec.data)) || end-s.Value < 16 {
			return sec.wrongSymbol(s.Name, "a map definition has 16 bytes or more, and here are %d", int64(end-s.Value))
		}
		d := legacyMap{index: len(o.out.Maps), words: words(sec.data[s.Value:end])}
		m := spec.Map{Name: s.Name, Type: spec.MapType(d.words[0]), KeySize: d.words[1], ValueSize: d.words[2], MaxEntries: d.words[3]}
		if len(d.words) > 4 {
			m.Flags = d.words[4]
		}
		if err := o.addMap(sec, s.Value, m); err != nil {
			return err
		}
		if len(d.words) >= wordsIproute2 {
			o.tables[d.words[wordID]] = d.index
		}
		made = append(made, d)
	}
	if len(made) == 0 {
		return sec.wrong("it holds map definitions, but no symbol names them")
	}
	for i := range made {
		made[i].inner(o, made)
	}
	return nil
}

// inner finds the definition of the maps in a map of maps.
func (d *legacyMap) inner(o *object, all []legacyMap) {
	m := &o.out.Maps[d.index]
	if m.Type != spec.ArrayOfMaps && m.Type != spec.HashOfMaps {
		return
	}
	found := -1
	if len(d.words) >= wordsIproute2 {
		for _, other := range all {
			if len(other.words) >= wordsIproute2 && other.words[wordID] == d.words[wordInnerID] && other.index != d.index {
				found = other.index
			}
		}
	} else if len(d.words) > wordInnerIndex && int(d.words[wordInnerIndex]) < len(all) {
		found = all[d.words[wordInnerIndex]].index
	}
	if found < 0 || found == d.index {
		return // the maps are given when it is made
	}
	inner := o.out.Maps[found]
	inner.Name, inner.Inner = "", nil
	m.Inner = &inner
}

// nextAfter returns the first place behind off, 0 if there is none.
func nextAfter(syms []*symbol, off uint64) uint64 {
	for _, s := range syms {
		if s.Value > off {
			return s.Value
		}
	}
	return 0
}

// words returns the numbers that b begins with, at most those that a definition has.
func words(b []byte) []uint32 {
	var w []uint32
	for ; len(b) >= 4 && len(w) < 16; b = b[4:] {
		w = append(w, binary.LittleEndian.Uint32(b))
	}
	return w
}

// fillJumpTables puts programs into arrays of programs as iproute2 does: a section named "1/5" holds what is
// element 5 of the map with identifier 1. Such programs are of the type of the others.
func (o *object) fillJumpTables() {
	typ := spec.Unspec
	for i := range o.out.Programs {
		if p := &o.out.Programs[i]; p.Type != spec.Unspec {
			typ = p.Type
		}
	}
	for i := range o.out.Programs {
		p := &o.out.Programs[i]
		first, second, ok := strings.Cut(p.Section, "/")
		id, err1 := strconv.ParseUint(first, 0, 32)
		key, err2 := strconv.ParseUint(second, 0, 32)
		at, known := o.tables[uint32(id)]
		if !ok || err1 != nil || err2 != nil || !known || o.out.Maps[at].Type != spec.ProgArray {
			continue
		}
		p.Type = typ
		m := &o.out.Maps[at]
		m.Contents = append(m.Contents, spec.MapEntry{Key: binary.LittleEndian.AppendUint32(nil, uint32(key)), Program: p.Name})
	}
}

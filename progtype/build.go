// Implements the making of layouts from others and from lists of names.

package progtype

import (
	"slices"
	"strconv"
	"strings"
)

// words returns a structure of fields of four bytes, or as many as stand behind the name, each aligned as in C and
// read whole: eight bytes at once if it has eight, else words.
func words(name string, fields []string) *Layout {
	l := &Layout{Name: name}
	align := 4
	for _, field := range fields {
		name, digits, long := strings.Cut(field, ":")
		f := Field{Name: name, Size: 4, Read: whole4}
		if long {
			f.Size, _ = strconv.Atoi(digits)
		}
		if f.Size == 8 {
			f.Read, align = whole8, 8
			l.Size = (l.Size + 7) &^ 7
		}
		f.Off = l.Size
		l.Size += f.Size
		l.Fields = append(l.Fields, f)
	}
	l.Size = (l.Size + align - 1) &^ (align - 1)
	return l
}

// change returns a copy of l in which edit has changed the fields.
func change(l *Layout, edit func(f *Field)) *Layout {
	out := *l
	out.Fields = slices.Clone(l.Fields)
	for i := range out.Fields {
		edit(&out.Fields[i])
	}
	return &out
}

// hideIn takes the access to a field away if it is one of names.
func hideIn(f *Field, names string) {
	if slices.Contains(strings.Fields(names), f.Name) {
		f.Read, f.Write = Access{}, Access{}
	}
}

// registers returns a structure of eight-byte fields.
func registers(name, fields string, read Access) *Layout {
	l := &Layout{Name: name}
	for _, f := range strings.Fields(fields) {
		l.Fields = append(l.Fields, Field{Name: f, Off: l.Size, Size: 8, Read: read})
		l.Size += 8
	}
	return l
}

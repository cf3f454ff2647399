// Implements the reading of values: JSON into bytes of a type.

package btfprint

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// Parse reads a value of a type in the form that AppendJSON writes, and returns its bytes. It takes more than
// that: what objects leave out is zero; numbers may be strings, in any base of Go's; where four or sixteen bytes
// are expected, an address such as "10.0.0.1" or "2001:db8::1", which is in the order of the network, and where six
// are, one such as "02:00:00:00:00:01". Of a union, one member is enough.
//
// If the type is nil, the value is a string of size bytes in hex digits, or a number that fits. Errors name the
// place in the value, such as ".rules[2].port".
func Parse(t btf.Type, size int, text []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("the value %.40q is not JSON: %w", text, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is something behind the value %.40q", text)
	}
	out := make([]byte, size)
	if t == nil {
		return out, parseBytes(out, v, "")
	}
	if n, err := sizeof(t); err != nil {
		return nil, err
	} else if n != size {
		return nil, fmt.Errorf("the type has %d bytes, expected %d", n, size)
	}
	return out, parse(out, t, v, "", 0)
}

func fail(path, format string, args ...any) error {
	if path != "" {
		format = path + ": " + format
	}
	return fmt.Errorf(format, args...)
}

func parse(to []byte, t btf.Type, v any, path string, depth int) error {
	if va, ok := t.(*btf.Var); ok {
		t = va.Type
	}
	if depth > maxDepth {
		return fail(path, "types stand in types more than %d deep", maxDepth)
	}
	if s, ok := v.(string); ok && parseAddress(to, s) {
		return nil
	}
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		return parseInt(to, t, v, path)
	case *btf.Enum:
		n, err := enumValue(t, v, path)
		put(to, n)
		return err
	case *btf.Pointer:
		n, err := integer(v, 64, false, path)
		put(to, n)
		return err
	case *btf.Float:
		return parseFloat(to, v, path)
	case *btf.Array:
		return parseArray(to, t, v, path, depth)
	case *btf.Struct:
		return parseMembers(to, t.Members, v, path, depth)
	case *btf.Union:
		return parseMembers(to, t.Members, v, path, depth)
	case *btf.Datasec:
		return parseDatasec(to, t, v, path, depth)
	}
	return parseBytes(to, v, path)
}

// put writes a little-endian number.
func put(to []byte, n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	copy(to, b[:])
}

// parseAddress writes an address of the network, if s is one of the right length.
func parseAddress(to []byte, s string) bool {
	switch len(to) {
	case 4, 16:
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" || len(a.AsSlice()) != len(to) {
			return false
		}
		copy(to, a.AsSlice())
		return true
	case 6:
		mac, err := net.ParseMAC(s)
		return err == nil && copy(to, mac) == len(mac)
	}
	return false
}

// parseBytes reads bytes whose type is not known.
func parseBytes(to []byte, v any, path string) error {
	if s, ok := v.(string); ok {
		b, err := hex.DecodeString(s)
		if err == nil && len(b) == len(to) {
			copy(to, b)
			return nil
		}
		if parseAddress(to, s) {
			return nil
		}
		if _, numeric := strconv.ParseInt(s, 0, 64); numeric != nil || len(to) > 8 {
			return fail(path, "expected %d bytes in hex digits, found %.40q", len(to), s)
		}
	}
	if len(to) > 8 {
		return fail(path, "expected %d bytes in hex digits, found %s", len(to), describe(v))
	}
	n, err := integer(v, 8*len(to), true, path)
	if err != nil {
		if n, err = integer(v, 8*len(to), false, path); err != nil {
			return err
		}
	}
	put(to, n)
	return nil
}

// integer reads a whole number of so many bits.
func integer(v any, bits int, signed bool, path string) (uint64, error) {
	var text string
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		return 0, fail(path, "expected a number, found %s", describe(v))
	}
	if bits > 64 {
		return 0, fail(path, "numbers of %d bits are given in hex digits", bits)
	}
	if signed {
		if n, err := strconv.ParseInt(text, 0, bits); err == nil {
			return uint64(n), nil
		}
		low, high := int64(math.MinInt64)>>(64-bits), int64(uint64(math.MaxUint64)>>(65-bits))
		return 0, fail(path, "expected a whole number from %d to %d, found %.40s", low, high, text)
	}
	n, err := strconv.ParseUint(text, 0, bits)
	if err != nil {
		return 0, fail(path, "expected a whole number from 0 to %d, found %.40s", uint64(math.MaxUint64)>>(64-bits), text)
	}
	return n, nil
}

func parseInt(to []byte, t *btf.Int, v any, path string) error {
	if b, ok := v.(bool); ok && t.Encoding == btf.Bool {
		if b {
			to[0] = 1
		}
		return nil
	}
	if s, ok := v.(string); ok && len(to) > 8 {
		return parseBytes(to, s, path)
	}
	n, err := integer(v, 8*len(to), t.Encoding&btf.Signed != 0 || t.Encoding == btf.Char, path)
	put(to, n)
	return err
}

func enumValue(t *btf.Enum, v any, path string) (uint64, error) {
	name, _ := v.(string)
	for _, e := range t.Values {
		if e.Name == name && name != "" {
			return e.Value, nil
		}
	}
	n, err := integer(v, 8*int(t.Size), t.Signed, path)
	if err != nil && name != "" {
		return 0, fail(path, "the enumeration %s has no %q", t.Name, name)
	}
	return n, err
}

func parseFloat(to []byte, v any, path string) error {
	n, ok := v.(json.Number)
	f, err := n.Float64()
	switch {
	case !ok || err != nil:
		return parseBytes(to, v, path)
	case len(to) == 4:
		binary.LittleEndian.PutUint32(to, math.Float32bits(float32(f)))
	case len(to) == 8:
		binary.LittleEndian.PutUint64(to, math.Float64bits(f))
	}
	return nil
}

func parseArray(to []byte, t *btf.Array, v any, path string, depth int) error {
	if s, ok := v.(string); ok && isChar(t.Type) {
		if len(s) > len(to) {
			return fail(path, "the text has %d bytes, and there is room for %d", len(s), len(to))
		}
		copy(to, s)
		return nil
	} else if ok {
		return parseBytes(to, v, path)
	}
	list, ok := v.([]any)
	if !ok {
		return fail(path, "expected a list, found %s", describe(v))
	}
	if len(list) > int(t.Nelems) {
		return fail(path, "the list has %d elements, and the array %d", len(list), t.Nelems)
	}
	size, err := sizeof(t.Type)
	if err != nil {
		return fail(path, "%w", err)
	}
	for i, e := range list {
		if err := parse(to[i*size:(i+1)*size], t.Type, e, fmt.Sprintf("%s[%d]", path, i), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// describe names the sort of a value for messages.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case json.Number:
		return "the number " + v.String()
	case string:
		return fmt.Sprintf("the text %.40q", v)
	case []any:
		return "a list"
	}
	return "an object"
}

func parseMembers(to []byte, members []btf.Member, v any, path string, depth int) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fail(path, "expected an object, found %s", describe(v))
	}
	list := flat(members)
	for _, name := range sorted(object) {
		i := slices.IndexFunc(list, func(m btf.Member) bool { return m.Name == name })
		if i < 0 {
			return fail(path, "there is no member %q, the type has %s", name, names(list))
		}
		m, inner := list[i], path+"."+name
		if m.BitfieldSize > 0 {
			if err := parseBits(to, m, object[name], inner); err != nil {
				return err
			}
			continue
		}
		size, err := sizeof(m.Type)
		first := int(m.Offset.Bytes())
		if err != nil || first+size > len(to) {
			return fail(inner, "the type does not say where it is")
		}
		if err := parse(to[first:first+size], m.Type, object[name], inner, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// names lists members for messages.
func names(list []btf.Member) string {
	var all []string
	for _, m := range list {
		all = append(all, m.Name)
	}
	return strings.Join(all, ", ")
}

func parseBits(to []byte, m btf.Member, v any, path string) error {
	size := uint(m.BitfieldSize)
	var n uint64
	var err error
	switch t := btf.UnderlyingType(m.Type).(type) {
	case *btf.Enum:
		n, err = enumValue(t, v, path)
	case *btf.Int:
		if b, ok := v.(bool); ok {
			if b {
				n = 1
			}
		} else {
			n, err = integer(v, int(size), t.Encoding&btf.Signed != 0, path)
		}
	default:
		n, err = integer(v, int(size), false, path)
	}
	if err != nil {
		return err
	}
	for i := uint(0); i < size && i < 64; i++ {
		place := (uint(m.Offset) + i) / 8
		if int(place) >= len(to) {
			return fail(path, "the type does not say where it is")
		}
		bit := byte(1) << ((uint(m.Offset) + i) % 8)
		to[place] = to[place]&^bit | byte(n>>i&1)*bit
	}
	return nil
}

func parseDatasec(to []byte, t *btf.Datasec, v any, path string, depth int) error {
	object, ok := v.(map[string]any)
	if !ok {
		return fail(path, "expected an object, found %s", describe(v))
	}
	for _, name := range sorted(object) {
		at := slices.IndexFunc(t.Vars, func(v btf.VarSecinfo) bool { return v.Type.TypeName() == name })
		if at < 0 {
			return fail(path, "there is no variable %q", name)
		}
		va := t.Vars[at]
		size, err := sizeof(va.Type)
		if err != nil || int(va.Offset)+size > len(to) {
			return fail(path+"."+name, "the type does not say where it is")
		}
		if err := parse(to[va.Offset:int(va.Offset)+size], va.Type, object[name], path+"."+name, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func sorted(object map[string]any) []string {
	var list []string
	for name := range object {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// Implements strings in values.

package btfprint

import (
	"bytes"
	"encoding/json"
	"unicode"
	"unicode/utf8"
)

// cString returns the text that b holds up to a zero. It is none if something follows the zero, if there is none,
// or if it is not printable.
func cString(b []byte) (string, bool) {
	end := bytes.IndexByte(b, 0)
	if end < 0 || len(bytes.Trim(b[end:], "\x00")) > 0 || !utf8.Valid(b[:end]) {
		return "", false
	}
	for _, r := range string(b[:end]) {
		if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return "", false
		}
	}
	return string(b[:end]), true
}

// appendString appends a string in quotes, as JSON and C write it.
func appendString(dst []byte, s string) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return append(dst, `""`...)
	}
	return append(dst, bytes.TrimRight(b.Bytes(), "\n")...)
}

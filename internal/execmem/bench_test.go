//go:build linux || darwin || freebsd || netbsd || openbsd

package execmem

import "testing"

// BenchmarkNewClose times one program that comes and goes, alone and beside another.
func BenchmarkNewClose(b *testing.B) {
	code := make([]byte, 300)
	once := func(b *testing.B) {
		for b.Loop() {
			c, err := New(code, nil)
			if err != nil {
				b.Fatal(err)
			}
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("alone", once)
	c, err := New(code, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.Run("beside", once)
}

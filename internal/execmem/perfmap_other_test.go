//go:build !linux

package execmem

import (
	"errors"
	"testing"
)

func TestPerfMapUnsupported(t *testing.T) {
	if err := PerfMap(0x1000, 16, "x"); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

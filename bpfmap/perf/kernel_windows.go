// Implements the absence of the kernel's event arrays.

package perf

import (
	"errors"

	"github.com/skepbpf/skep/bpfmap"
)

func newKernelReader(*bpfmap.Kernel, int, ReaderOptions) (kernelReader, error) {
	return nil, errors.ErrUnsupported
}

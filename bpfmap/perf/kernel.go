// Implements reading the kernel's event arrays by cilium/ebpf's reader.

//go:build !windows

package perf

import (
	"github.com/cilium/ebpf/perf"

	"github.com/skepbpf/skep/bpfmap"
)

type ciliumReader struct {
	*perf.Reader
}

func newKernelReader(m *bpfmap.Kernel, size int, opts ReaderOptions) (kernelReader, error) {
	r, err := perf.NewReaderWithOptions(m.Map, size, perf.ReaderOptions{WakeupEvents: opts.WakeupEvents,
		Watermark: opts.Watermark, Overwritable: opts.Overwritable})
	if err != nil {
		return nil, err
	}
	return &ciliumReader{Reader: r}, nil
}

// ReadInto reads a record; the reader below is locked for no longer than that, and so a record of one's own
// is needed.
func (r *ciliumReader) ReadInto(rec *Record) error {
	own := perf.Record{RawSample: rec.RawSample}
	err := r.Reader.ReadInto(&own)
	if err == nil {
		*rec = Record(own)
	}
	return err
}

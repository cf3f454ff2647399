// Implements libpcap's own filter machine, loaded when the program runs: no header and no development package
// is needed.

//go:build cgo && unix

package cpeer

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>

// bpf_filter of libpcap: the program, the packet, its length on the wire and its length here.
typedef unsigned int (*filter)(const void *, const unsigned char *, unsigned int, unsigned int);

static filter find(void) {
	static const char *const names[] = {"libpcap.so.1", "libpcap.so.0.8", "libpcap.so", "libpcap.A.dylib", "libpcap.dylib"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
		void *lib = dlopen(names[i], RTLD_NOW);
		if (lib) return (filter)dlsym(lib, "bpf_filter");
	}
	return 0;
}

static unsigned int run_one(filter f, const void *prog, const unsigned char *packet, unsigned int len) {
	return f(prog, packet, len, len);
}

// Packet i lies between ends[i] and ends[i+1].
static void run(filter f, const void *prog, const unsigned char *packets, const uint32_t *ends, uint32_t *verdicts, long count, long n) {
	while (n--)
		for (long i = 0; i < count; i++) {
			unsigned int len = ends[i + 1] - ends[i];
			verdicts[i] = f(prog, packets + ends[i], len, len);
		}
}
*/
import "C"

import (
	"errors"
	"unsafe"

	"golang.org/x/net/bpf"
)

var errNoFilter = errors.New("no library of that name (libpcap.so.1, libpcap.so.0.8) with bpf_filter in it")

// Filter returns a function that runs the filter n times over all packets, in one call of C, and returns the
// verdicts.
func Filter(prog []bpf.RawInstruction, packets [][]byte) (func(n int) []uint32, error) {
	f := C.find()
	if f == nil {
		return nil, errNoFilter
	}
	flat, ends := []byte{}, []uint32{0}
	for _, p := range packets {
		flat = append(flat, p...)
		ends = append(ends, uint32(len(flat)))
	}
	if len(prog) == 0 || len(flat) == 0 {
		return nil, errors.New("no program or no packets")
	}
	verdicts := make([]uint32, len(packets))
	return func(n int) []uint32 {
		C.run(f, unsafe.Pointer(&prog[0]), (*C.uchar)(&flat[0]), (*C.uint32_t)(&ends[0]), (*C.uint32_t)(&verdicts[0]),
			C.long(len(packets)), C.long(n))
		return verdicts
	}, nil
}

// FilterOne returns a function that judges one packet by a call of C.
func FilterOne(prog []bpf.RawInstruction) (func(packet []byte) uint32, error) {
	f := C.find()
	if f == nil || len(prog) == 0 {
		return nil, errNoFilter
	}
	return func(packet []byte) uint32 {
		return uint32(C.run_one(f, unsafe.Pointer(&prog[0]), (*C.uchar)(unsafe.SliceData(packet)), C.uint(len(packet))))
	}, nil
}

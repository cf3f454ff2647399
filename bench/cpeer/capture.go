// Implements a loop over a capture by libpcap: its reader, its filter machine and its writer.

//go:build cgo && unix

package cpeer

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

struct program { unsigned int len; void *insns; };
typedef void (*handler)(unsigned char *, const void *, const unsigned char *);

static struct {
	void *(*open_offline)(const char *, char *);
	int (*compile)(void *, struct program *, const char *, int, unsigned int);
	int (*setfilter)(void *, struct program *);
	void (*freecode)(struct program *);
	int (*loop)(void *, int, handler, unsigned char *);
	void *(*dump_open)(void *, const char *);
	handler dump;
	void (*dump_close)(void *);
	void (*close)(void *);
} pcap;

static int bind(void *lib) {
	return lib && (*(void **)&pcap.open_offline = dlsym(lib, "pcap_open_offline")) && (*(void **)&pcap.compile = dlsym(lib, "pcap_compile")) &&
		(*(void **)&pcap.setfilter = dlsym(lib, "pcap_setfilter")) && (*(void **)&pcap.freecode = dlsym(lib, "pcap_freecode")) &&
		(*(void **)&pcap.loop = dlsym(lib, "pcap_loop")) && (*(void **)&pcap.dump_open = dlsym(lib, "pcap_dump_open")) &&
		(*(void **)&pcap.dump = dlsym(lib, "pcap_dump")) && (*(void **)&pcap.dump_close = dlsym(lib, "pcap_dump_close")) &&
		(*(void **)&pcap.close = dlsym(lib, "pcap_close"));
}

static int load(void) {
	static const char *const names[] = {"libpcap.so.1", "libpcap.so.0.8", "libpcap.so", "libpcap.A.dylib", "libpcap.dylib"};
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (bind(dlopen(names[i], RTLD_NOW))) return 1;
	return 0;
}

struct state { long matched; void *dumper; };

static void each(unsigned char *user, const void *header, const unsigned char *packet) {
	struct state *s = (struct state *)user;
	s->matched++;
	if (s->dumper) pcap.dump(s->dumper, header, packet);
}

// The number of matches, or a negative number that tells what failed.
static long filter_file(const char *file, const char *expr, const char *out) {
	char text[256];
	struct program prog;
	struct state s = {0, 0};
	void *p = pcap.open_offline(file, text);
	if (!p) return -1;
	long result = -2;
	if (pcap.compile(p, &prog, expr, 1, 0) == 0) {
		int set = pcap.setfilter(p, &prog);
		pcap.freecode(&prog);
		result = -3;
		if (set == 0 && (!out || (s.dumper = pcap.dump_open(p, out)))) {
			result = pcap.loop(p, -1, each, (unsigned char *)&s) == 0 ? s.matched : -4;
			if (s.dumper) pcap.dump_close(s.dumper);
		}
	}
	pcap.close(p);
	return result;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// CaptureFilter returns a function that filters a capture by a tcpdump expression, writes the packets that match to
// another unless its name is empty, and returns how many there are.
func CaptureFilter() (func(file, expr, out string) (int, error), error) {
	if C.load() == 0 {
		return nil, errors.New("no library of that name (libpcap.so.1, libpcap.so.0.8) that reads captures")
	}
	return func(file, expr, out string) (int, error) {
		f, e, o := C.CString(file), C.CString(expr), (*C.char)(nil)
		defer C.free(unsafe.Pointer(f))
		defer C.free(unsafe.Pointer(e))
		if out != "" {
			o = C.CString(out)
			defer C.free(unsafe.Pointer(o))
		}
		n := C.filter_file(f, e, o)
		if n < 0 {
			return 0, fmt.Errorf("%s does not succeed", [...]string{"opening the capture", "compiling the expression", "opening the output", "reading"}[-n-1])
		}
		return int(n), nil
	}, nil
}

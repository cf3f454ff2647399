// Implements the test that pins the layout of the system call's arguments.

//go:build linux

package kernel

import (
	"testing"
	"unsafe"
)

// TestLayout compares offsets with those of union bpf_attr in the kernel's linux/bpf.h.
func TestLayout(t *testing.T) {
	var load progLoadAttr
	var create mapCreateAttr
	var elem mapElemAttr
	var run testRunAttr
	for name, c := range map[string]struct{ got, want uintptr }{
		"prog_load.log_buf":              {unsafe.Offsetof(load.logBuf), 32},
		"prog_load.prog_flags":           {unsafe.Offsetof(load.flags), 44},
		"prog_load.expected_attach_type": {unsafe.Offsetof(load.expectedAttachType), 68},
		"prog_load.log_true_size":        {unsafe.Offsetof(load.logTrueSize), 140},
		"prog_load":                      {unsafe.Sizeof(load), 144},
		"map_create.inner_map_fd":        {unsafe.Offsetof(create.innerFD), 20},
		"map_create.map_name":            {unsafe.Offsetof(create.name), 28},
		"map_elem.key":                   {unsafe.Offsetof(elem.key), 8},
		"map_elem.value":                 {unsafe.Offsetof(elem.value), 16},
		"map_elem":                       {unsafe.Sizeof(elem), 32},
		"test_run.data_in":               {unsafe.Offsetof(run.dataIn), 16},
		"test_run.duration":              {unsafe.Offsetof(run.duration), 36},
		"test_run.ctx_out":               {unsafe.Offsetof(run.ctxOut), 56},
		"test_run":                       {unsafe.Sizeof(run), 64},
	} {
		if c.got != c.want {
			t.Errorf("%s is at or has %d, not %d", name, c.got, c.want)
		}
	}
}

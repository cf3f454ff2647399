package skep_test

import "github.com/skepbpf/skep/internal/jit/cabi"

// f3Addr returns where f3 is, in assembly.
func f3Addr() uintptr { return cabi.F3() }

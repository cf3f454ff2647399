// Implements the description of the machine that was measured on.

package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine names processor, kernel and Go, as far as the system tells.
func machine() string {
	cpu, system := "unknown processor", runtime.GOOS
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
				cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		system = "Linux " + strings.TrimSpace(string(release))
	}
	return fmt.Sprintf("%s, %d CPUs; %s; %s %s/%s", cpu, runtime.NumCPU(), system, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

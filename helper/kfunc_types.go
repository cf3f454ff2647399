// Implements which program types may call a kernel function: the kernel registers these in sets.

package helper

import "github.com/skepbpf/skep/spec"

// The groups of types that the kernel registers functions for (enum btf_kfunc_hook).
var (
	tracingHook = []spec.ProgramType{spec.Tracing, spec.Tracepoint, spec.PerfEvent, spec.LSM}
	cgroupHook  = []spec.ProgramType{spec.CGroupSKB, spec.CGroupSock, spec.CGroupDevice, spec.CGroupSockAddr, spec.CGroupSockopt,
		spec.CGroupSysctl, spec.SockOps}
	lwtHook = []spec.ProgramType{spec.LWTIn, spec.LWTOut, spec.LWTXmit, spec.LWTSeg6Local}

	// genericTypes may call what works on tasks, cgroups and objects of their own, and throw.
	genericTypes = join(tracingHook, cgroupHook, spec.SchedCLS, spec.XDP, spec.StructOps, spec.Syscall)
	// skbTypes may take a dynptr of a packet that is a socket buffer.
	skbTypes = join(join(tracingHook, cgroupHook), lwtHook, spec.SocketFilter, spec.SchedCLS, spec.SchedACT, spec.SkSKB, spec.Netfilter)
	xdpTypes = []spec.ProgramType{spec.XDP}
	// sessionTypes may ask about the session that they run in.
	sessionTypes = []spec.ProgramType{spec.Kprobe}
)

func join(a, b []spec.ProgramType, more ...spec.ProgramType) []spec.ProgramType {
	return append(append(append([]spec.ProgramType(nil), a...), b...), more...)
}

// only returns a family that may be called by programs of some types alone.
func only(types []spec.ProgramType, family []Helper) []Helper {
	out := append([]Helper(nil), family...)
	for i := range out {
		out[i].Types = types
	}
	return out
}

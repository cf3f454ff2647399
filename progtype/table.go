// Implements the rows of program types.

package progtype

import "github.com/skepbpf/skep/spec"

// zeroOrOne is what most cgroup programs return: not allowed, allowed.
var zeroOrOne = []Return{{Max: 1}}

// rows has a row for each type, by number.
var rows = [...]Type{
	spec.Unspec:         {},
	spec.SocketFilter:   {Context: skbSocketFilter, Packet: true, LdAbs: true},
	spec.Kprobe:         {Given: kprobeRegs, Returns: sessionReturns},
	spec.SchedCLS:       {Context: skbTC, Packet: true, LdAbs: true, Rewrite: true, Verdict: tcVerdicts},
	spec.SchedACT:       {Context: skbTC, Packet: true, LdAbs: true, Rewrite: true, Verdict: tcVerdicts},
	spec.Tracepoint:     {Given: tracepoint},
	spec.XDP:            {Context: xdpMD, Packet: true, Rewrite: true, Verdict: xdpVerdicts},
	spec.PerfEvent:      {Given: perfEvent},
	spec.CGroupSKB:      {Context: skbCGroup, Packet: true, Attach: inetSKB, Returns: skbReturns},
	spec.CGroupSock:     {Context: SockOfCGroup, Attach: sockAttach, Default: spec.AttachCGroupInetSockCreate, Returns: zeroOrOne},
	spec.LWTIn:          {Context: skbLWT, Packet: true, Verdict: lwtVerdicts},
	spec.LWTOut:         {Context: skbLWT, Packet: true, Verdict: lwtVerdicts},
	spec.LWTXmit:        {Context: skbLWT, Packet: true, Rewrite: true, Verdict: lwtVerdicts},
	spec.SockOps:        {Context: sockOps, Packet: true, Pass: PassNone, Returns: zeroOrOne},
	spec.SkSKB:          {Context: skbSkSKB, Packet: true, Rewrite: true, Verdict: skVerdicts},
	spec.CGroupDevice:   {Context: cgroupDevice, Returns: zeroOrOne},
	spec.SkMsg:          {Context: skMsg, Packet: true, Rewrite: true, Verdict: skVerdicts},
	spec.RawTracepoint:  {Given: rawTracepoint},
	spec.CGroupSockAddr: {Context: sockAddr, Attach: inet4 | inet6 | unixSock, Returns: addrReturns},
	spec.LWTSeg6Local:   {Context: skbLWT, Packet: true, Verdict: lwtVerdicts},
	spec.LircMode2:      {Given: lircMode2},
	spec.SkReuseport:    {Context: skReuseport, Packet: true, Attach: reuseport, Default: spec.AttachSkReuseportSelect, Verdict: skVerdicts},
	spec.FlowDissector:  {Context: skbFlow, Packet: true, Verdict: flowVerdicts},
	spec.CGroupSysctl:   {Context: sysctl, Returns: zeroOrOne},

	spec.RawTracepointWritable: {Given: rawWritable},

	spec.CGroupSockopt: {Context: sockopt, Packet: true, Rewrite: true, Pass: PassAny, Attach: sockoptAttach, Returns: zeroOrOne},
	spec.Tracing:       {Given: arguments, BTF: true, Attach: tracing, Returns: tracingReturns},
	spec.StructOps:     {Given: arguments, BTF: true, Missing: "what a program does for a structure's method depends on the kernel's code around it"},
	spec.Extension:     {BTF: true, Missing: "a program of this type replaces a function of another program"},
	spec.LSM:           {Given: arguments, BTF: true, Attach: Of(spec.AttachLSMMac, spec.AttachLSMCGroup)},
	spec.SkLookup:      {Context: skLookup, Attach: Of(spec.AttachSkLookup), Returns: zeroOrOne, Verdict: skVerdicts},
	spec.Syscall:       {Given: syscallMemory, Attach: Of(0)},
	spec.Netfilter:     {Given: netfilter, Attach: Of(spec.AttachNetfilter), Returns: zeroOrOne, Verdict: nfVerdicts},
}

func init() {
	for i := range rows {
		rows[i].Type = spec.ProgramType(i)
	}
}

// The attach types of types that look at them.
var (
	inetSKB    = Of(spec.AttachCGroupInetIngress, spec.AttachCGroupInetEgress)
	sockAttach = Of(0, spec.AttachCGroupInetSockCreate, spec.AttachCGroupInetSockRelease, // 0 stands for create
		spec.AttachCGroupInet4PostBind, spec.AttachCGroupInet6PostBind)
	sockoptAttach = Of(spec.AttachCGroupGetsockopt, spec.AttachCGroupSetsockopt)
	reuseport     = Of(0, spec.AttachSkReuseportSelect, spec.AttachSkReuseportSelectOrMigrate)
	tracing       = Of(spec.AttachTraceRawTP, spec.AttachTraceFentry, spec.AttachTraceFexit, spec.AttachModifyReturn, spec.AttachTraceIter)
)

// What programs may return, where it matters. A row with Min above Max allows anything.
var (
	skbReturns  = []Return{{Attach: Of(spec.AttachCGroupInetEgress), Max: 3}, {Max: 1}}
	addrReturns = []Return{
		{Attach: Of(spec.AttachCGroupUDP4Recvmsg, spec.AttachCGroupUDP6Recvmsg, spec.AttachCGroupUnixRecvmsg,
			spec.AttachCGroupInet4Getpeername, spec.AttachCGroupInet6Getpeername, spec.AttachCGroupUnixGetpeername,
			spec.AttachCGroupInet4Getsockname, spec.AttachCGroupInet6Getsockname, spec.AttachCGroupUnixGetsockname), Min: 1, Max: 1},
		{Attach: Of(spec.AttachCGroupInet4Bind, spec.AttachCGroupInet6Bind), Max: 3},
		{Max: 1}}
	sessionReturns = []Return{{Attach: Of(spec.AttachTraceKprobeSession, spec.AttachTraceUprobeSession), Max: 1}}
	tracingReturns = []Return{
		{Attach: Of(spec.AttachTraceFentry, spec.AttachTraceFexit)},
		{Attach: Of(spec.AttachTraceRawTP, spec.AttachModifyReturn), Min: 1},
		{Max: 1}}
)

// The names of results (linux/bpf.h, linux/pkt_cls.h, linux/netfilter.h).
var (
	xdpVerdicts = []Verdict{{0, "XDP_ABORTED"}, {1, "XDP_DROP"}, {2, "XDP_PASS"}, {3, "XDP_TX"}, {4, "XDP_REDIRECT"}}
	tcVerdicts  = []Verdict{{-1, "TC_ACT_UNSPEC"}, {0, "TC_ACT_OK"}, {1, "TC_ACT_RECLASSIFY"}, {2, "TC_ACT_SHOT"},
		{3, "TC_ACT_PIPE"}, {4, "TC_ACT_STOLEN"}, {5, "TC_ACT_QUEUED"}, {6, "TC_ACT_REPEAT"}, {7, "TC_ACT_REDIRECT"}, {8, "TC_ACT_TRAP"}}
	lwtVerdicts  = []Verdict{{0, "BPF_OK"}, {2, "BPF_DROP"}, {7, "BPF_REDIRECT"}, {128, "BPF_LWT_REROUTE"}}
	skVerdicts   = []Verdict{{0, "SK_DROP"}, {1, "SK_PASS"}}
	flowVerdicts = []Verdict{{0, "BPF_OK"}, {2, "BPF_DROP"}, {129, "BPF_FLOW_DISSECTOR_CONTINUE"}}
	nfVerdicts   = []Verdict{{0, "NF_DROP"}, {1, "NF_ACCEPT"}}
)

// Implements what the names of sections say about the programs in them: the rules of libbpf as a table.

package elf

import (
	"strings"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/spec"
)

// Attach types that cilium/ebpf has no name for (enum bpf_attach_type of linux/bpf.h).
const (
	attachUprobeSession ebpf.AttachType = 57
	attachFSession      ebpf.AttachType = 58
)

// rule says what programs in sections of some name are.
type rule struct {
	name   string
	typ    spec.ProgramType
	attach ebpf.AttachType
	flags  spec.ProgramFlags

	// target tells that the rest of the name, behind a slash, says what to attach to.
	target bool
}

const sleepable = spec.Sleepable

// rules are in no particular order; the longest name that fits wins.
var rules = []rule{
	{name: "socket", typ: spec.SocketFilter},
	{name: "sk_reuseport", typ: spec.SkReuseport, attach: ebpf.AttachSkReuseportSelect},
	{name: "sk_reuseport/migrate", typ: spec.SkReuseport, attach: ebpf.AttachSkReuseportSelectOrMigrate},

	{name: "kprobe", typ: spec.Kprobe, target: true},
	{name: "kretprobe", typ: spec.Kprobe, target: true},
	{name: "uprobe", typ: spec.Kprobe, target: true},
	{name: "uretprobe", typ: spec.Kprobe, target: true},
	{name: "uprobe.s", typ: spec.Kprobe, flags: sleepable, target: true},
	{name: "uretprobe.s", typ: spec.Kprobe, flags: sleepable, target: true},
	{name: "kprobe.multi", typ: spec.Kprobe, attach: ebpf.AttachTraceKprobeMulti, target: true},
	{name: "kretprobe.multi", typ: spec.Kprobe, attach: ebpf.AttachTraceKprobeMulti, target: true},
	{name: "kprobe.session", typ: spec.Kprobe, attach: ebpf.AttachTraceKprobeSession, target: true},
	{name: "uprobe.multi", typ: spec.Kprobe, attach: ebpf.AttachTraceUprobeMulti, target: true},
	{name: "uretprobe.multi", typ: spec.Kprobe, attach: ebpf.AttachTraceUprobeMulti, target: true},
	{name: "uprobe.session", typ: spec.Kprobe, attach: attachUprobeSession, target: true},
	{name: "uprobe.multi.s", typ: spec.Kprobe, attach: ebpf.AttachTraceUprobeMulti, flags: sleepable, target: true},
	{name: "uretprobe.multi.s", typ: spec.Kprobe, attach: ebpf.AttachTraceUprobeMulti, flags: sleepable, target: true},
	{name: "uprobe.session.s", typ: spec.Kprobe, attach: attachUprobeSession, flags: sleepable, target: true},
	{name: "ksyscall", typ: spec.Kprobe, target: true},
	{name: "kretsyscall", typ: spec.Kprobe, target: true},
	{name: "usdt", typ: spec.Kprobe, target: true},
	{name: "usdt.s", typ: spec.Kprobe, flags: sleepable, target: true},

	{name: "tc", typ: spec.SchedCLS},
	{name: "tc/ingress", typ: spec.SchedCLS, attach: ebpf.AttachTCXIngress},
	{name: "tc/egress", typ: spec.SchedCLS, attach: ebpf.AttachTCXEgress},
	{name: "tcx/ingress", typ: spec.SchedCLS, attach: ebpf.AttachTCXIngress},
	{name: "tcx/egress", typ: spec.SchedCLS, attach: ebpf.AttachTCXEgress},
	{name: "netkit/primary", typ: spec.SchedCLS, attach: ebpf.AttachNetkitPrimary},
	{name: "netkit/peer", typ: spec.SchedCLS, attach: ebpf.AttachNetkitPeer},
	{name: "classifier", typ: spec.SchedCLS},
	{name: "action", typ: spec.SchedACT},

	{name: "tracepoint", typ: spec.Tracepoint, target: true},
	{name: "tp", typ: spec.Tracepoint, target: true},
	{name: "raw_tracepoint", typ: spec.RawTracepoint, target: true},
	{name: "raw_tp", typ: spec.RawTracepoint, target: true},
	{name: "raw_tracepoint.w", typ: spec.RawTracepointWritable, target: true},
	{name: "raw_tp.w", typ: spec.RawTracepointWritable, target: true},

	{name: "tp_btf", typ: spec.Tracing, attach: ebpf.AttachTraceRawTp, target: true},
	{name: "fentry", typ: spec.Tracing, attach: ebpf.AttachTraceFEntry, target: true},
	{name: "fexit", typ: spec.Tracing, attach: ebpf.AttachTraceFExit, target: true},
	{name: "fmod_ret", typ: spec.Tracing, attach: ebpf.AttachModifyReturn, target: true},
	{name: "fsession", typ: spec.Tracing, attach: attachFSession, target: true},
	{name: "fentry.s", typ: spec.Tracing, attach: ebpf.AttachTraceFEntry, flags: sleepable, target: true},
	{name: "fexit.s", typ: spec.Tracing, attach: ebpf.AttachTraceFExit, flags: sleepable, target: true},
	{name: "fmod_ret.s", typ: spec.Tracing, attach: ebpf.AttachModifyReturn, flags: sleepable, target: true},
	{name: "fsession.s", typ: spec.Tracing, attach: attachFSession, flags: sleepable, target: true},
	{name: "iter", typ: spec.Tracing, attach: ebpf.AttachTraceIter, target: true},
	{name: "iter.s", typ: spec.Tracing, attach: ebpf.AttachTraceIter, flags: sleepable, target: true},
	{name: "freplace", typ: spec.Extension, target: true},
	{name: "lsm", typ: spec.LSM, attach: ebpf.AttachLSMMac, target: true},
	{name: "lsm.s", typ: spec.LSM, attach: ebpf.AttachLSMMac, flags: sleepable, target: true},
	{name: "lsm_cgroup", typ: spec.LSM, attach: ebpf.AttachLSMCgroup, target: true},
	{name: "struct_ops", typ: spec.StructOps, target: true},
	{name: "struct_ops.s", typ: spec.StructOps, flags: sleepable, target: true},
	{name: "syscall", typ: spec.Syscall, flags: sleepable},
	{name: "perf_event", typ: spec.PerfEvent},

	{name: "xdp", typ: spec.XDP, attach: ebpf.AttachXDP},
	{name: "xdp/devmap", typ: spec.XDP, attach: ebpf.AttachXDPDevMap},
	{name: "xdp/cpumap", typ: spec.XDP, attach: ebpf.AttachXDPCPUMap},
	{name: "xdp_devmap", typ: spec.XDP, attach: ebpf.AttachXDPDevMap},
	{name: "xdp_cpumap", typ: spec.XDP, attach: ebpf.AttachXDPCPUMap},
	{name: "xdp.frags", typ: spec.XDP, attach: ebpf.AttachXDP, flags: spec.XDPFrags},
	{name: "xdp.frags/devmap", typ: spec.XDP, attach: ebpf.AttachXDPDevMap, flags: spec.XDPFrags},
	{name: "xdp.frags/cpumap", typ: spec.XDP, attach: ebpf.AttachXDPCPUMap, flags: spec.XDPFrags},

	{name: "lwt_in", typ: spec.LWTIn},
	{name: "lwt_out", typ: spec.LWTOut},
	{name: "lwt_xmit", typ: spec.LWTXmit},
	{name: "lwt_seg6local", typ: spec.LWTSeg6Local},
	{name: "sockops", typ: spec.SockOps, attach: ebpf.AttachCGroupSockOps},
	{name: "sk_skb", typ: spec.SkSKB},
	{name: "sk_skb/stream_parser", typ: spec.SkSKB, attach: ebpf.AttachSkSKBStreamParser},
	{name: "sk_skb/stream_verdict", typ: spec.SkSKB, attach: ebpf.AttachSkSKBStreamVerdict},
	{name: "sk_skb/verdict", typ: spec.SkSKB, attach: ebpf.AttachSkSKBVerdict},
	{name: "sk_msg", typ: spec.SkMsg, attach: ebpf.AttachSkMsgVerdict},
	{name: "sk_lookup", typ: spec.SkLookup, attach: ebpf.AttachSkLookup},
	{name: "lirc_mode2", typ: spec.LircMode2, attach: ebpf.AttachLircMode2},
	{name: "flow_dissector", typ: spec.FlowDissector, attach: ebpf.AttachFlowDissector},
	{name: "netfilter", typ: spec.Netfilter, attach: ebpf.AttachNetfilter},

	{name: "cgroup/skb", typ: spec.CGroupSKB},
	{name: "cgroup_skb", typ: spec.CGroupSKB},
	{name: "cgroup_skb/ingress", typ: spec.CGroupSKB, attach: ebpf.AttachCGroupInetIngress},
	{name: "cgroup_skb/egress", typ: spec.CGroupSKB, attach: ebpf.AttachCGroupInetEgress},
	{name: "cgroup/sock", typ: spec.CGroupSock, attach: ebpf.AttachCGroupInetSockCreate},
	{name: "cgroup/sock_create", typ: spec.CGroupSock, attach: ebpf.AttachCGroupInetSockCreate},
	{name: "cgroup/sock_release", typ: spec.CGroupSock, attach: ebpf.AttachCgroupInetSockRelease},
	{name: "cgroup/post_bind4", typ: spec.CGroupSock, attach: ebpf.AttachCGroupInet4PostBind},
	{name: "cgroup/post_bind6", typ: spec.CGroupSock, attach: ebpf.AttachCGroupInet6PostBind},
	{name: "cgroup/bind4", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupInet4Bind},
	{name: "cgroup/bind6", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupInet6Bind},
	{name: "cgroup/connect4", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupInet4Connect},
	{name: "cgroup/connect6", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupInet6Connect},
	{name: "cgroup/connect_unix", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupUnixConnect},
	{name: "cgroup/sendmsg4", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupUDP4Sendmsg},
	{name: "cgroup/sendmsg6", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupUDP6Sendmsg},
	{name: "cgroup/sendmsg_unix", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupUnixSendmsg},
	{name: "cgroup/recvmsg4", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupUDP4Recvmsg},
	{name: "cgroup/recvmsg6", typ: spec.CGroupSockAddr, attach: ebpf.AttachCGroupUDP6Recvmsg},
	{name: "cgroup/recvmsg_unix", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupUnixRecvmsg},
	{name: "cgroup/getpeername4", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupInet4GetPeername},
	{name: "cgroup/getpeername6", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupInet6GetPeername},
	{name: "cgroup/getpeername_unix", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupUnixGetpeername},
	{name: "cgroup/getsockname4", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupInet4GetSockname},
	{name: "cgroup/getsockname6", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupInet6GetSockname},
	{name: "cgroup/getsockname_unix", typ: spec.CGroupSockAddr, attach: ebpf.AttachCgroupUnixGetsockname},
	{name: "cgroup/sysctl", typ: spec.CGroupSysctl, attach: ebpf.AttachCGroupSysctl},
	{name: "cgroup/getsockopt", typ: spec.CGroupSockopt, attach: ebpf.AttachCGroupGetsockopt},
	{name: "cgroup/setsockopt", typ: spec.CGroupSockopt, attach: ebpf.AttachCGroupSetsockopt},
	{name: "cgroup/dev", typ: spec.CGroupDevice, attach: ebpf.AttachCGroupDevice},
}

// ProgramOf tells what programs in a section of the given name are, by the rules of libbpf: it returns a
// program with the type, attach type, flags, section and target filled in. The type of programs in
// sections of an unknown name is spec.Unspec. As old loaders did, it takes "xdp_drop" and "xdp1" for "xdp".
func ProgramOf(section string) spec.Program {
	name := strings.TrimPrefix(section, "?") // libbpf: not loaded unless asked for
	p := spec.Program{Section: section}
	var best *rule
	for i := range rules {
		if r := &rules[i]; r.fits(name) && (best == nil || len(r.name) > len(best.name)) {
			best = r
		}
	}
	if best == nil {
		return p
	}
	p.Type, p.AttachType, p.Flags = best.typ, uint32(best.attach), best.flags
	if rest, ok := strings.CutPrefix(name[len(best.name):], "/"); ok && best.target {
		p.AttachTo = rest
	}
	return p
}

func (r *rule) fits(name string) bool {
	rest, ok := strings.CutPrefix(name, r.name)
	if !ok {
		return false
	}
	if rest == "" || rest[0] == '/' {
		return true
	}
	if r.target {
		return false
	}
	return rest[0] < 'a' || rest[0] > 'z' // a word must end here
}

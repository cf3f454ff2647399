// Implements the numbers and names of program and map types, those of the kernel's enums.

package spec

import "fmt"

// ProgramType is a program type; its numbers are those of the kernel's enum bpf_prog_type.
type ProgramType uint32

// The program types. Unspec is a plain function over memory: R1 is its address and R2 its length.
const (
	Unspec ProgramType = iota
	SocketFilter
	Kprobe
	SchedCLS
	SchedACT
	Tracepoint
	XDP
	PerfEvent
	CGroupSKB
	CGroupSock
	LWTIn
	LWTOut
	LWTXmit
	SockOps
	SkSKB
	CGroupDevice
	SkMsg
	RawTracepoint
	CGroupSockAddr
	LWTSeg6Local
	LircMode2
	SkReuseport
	FlowDissector
	CGroupSysctl
	RawTracepointWritable
	CGroupSockopt
	Tracing
	StructOps
	Extension
	LSM
	SkLookup
	Syscall
	Netfilter
)

var programTypes = []string{"unspec", "socket_filter", "kprobe", "sched_cls", "sched_act", "tracepoint", "xdp",
	"perf_event", "cgroup_skb", "cgroup_sock", "lwt_in", "lwt_out", "lwt_xmit", "sock_ops", "sk_skb",
	"cgroup_device", "sk_msg", "raw_tracepoint", "cgroup_sock_addr", "lwt_seg6local", "lirc_mode2",
	"sk_reuseport", "flow_dissector", "cgroup_sysctl", "raw_tracepoint_writable", "cgroup_sockopt", "tracing",
	"struct_ops", "ext", "lsm", "sk_lookup", "syscall", "netfilter"}

// String returns the kernel's name in lower case without prefix, such as "socket_filter".
func (t ProgramType) String() string { return nameOf(programTypes, uint32(t)) }

// ParseProgramType is the reverse of String.
func ParseProgramType(name string) (ProgramType, error) {
	n, err := parseName(programTypes, name, "program type")
	return ProgramType(n), err
}

// MapType is a map type; its numbers are those of the kernel's enum bpf_map_type.
type MapType uint32

// The map types.
const (
	UnspecMap MapType = iota
	Hash
	Array
	ProgArray
	PerfEventArray
	PerCPUHash
	PerCPUArray
	StackTrace
	CGroupArray
	LRUHash
	LRUPerCPUHash
	LPMTrie
	ArrayOfMaps
	HashOfMaps
	Devmap
	Sockmap
	CPUMap
	XSKMap
	Sockhash
	CGroupStorage
	ReuseportSockArray
	PerCPUCGroupStorage
	Queue
	Stack
	SkStorage
	DevmapHash
	StructOpsMap
	RingBuf
	InodeStorage
	TaskStorage
	BloomFilter
	UserRingBuf
	CgrpStorage
	Arena
)

var mapTypes = []string{"unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash", "percpu_array",
	"stack_trace", "cgroup_array", "lru_hash", "lru_percpu_hash", "lpm_trie", "array_of_maps", "hash_of_maps",
	"devmap", "sockmap", "cpumap", "xskmap", "sockhash", "cgroup_storage", "reuseport_sockarray",
	"percpu_cgroup_storage", "queue", "stack", "sk_storage", "devmap_hash", "struct_ops", "ringbuf",
	"inode_storage", "task_storage", "bloom_filter", "user_ringbuf", "cgrp_storage", "arena"}

// String returns the kernel's name in lower case without prefix, such as "lru_hash".
func (t MapType) String() string { return nameOf(mapTypes, uint32(t)) }

// ParseMapType is the reverse of String.
func ParseMapType(name string) (MapType, error) {
	n, err := parseName(mapTypes, name, "map type")
	return MapType(n), err
}

func nameOf(names []string, n uint32) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("type(%d)", n)
}

func parseName(names []string, name, what string) (uint32, error) {
	for i, n := range names {
		if n == name {
			return uint32(i), nil
		}
	}
	return 0, fmt.Errorf("unknown %s %q", what, name)
}

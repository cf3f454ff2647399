// Package perf reads event arrays (BPF_MAP_TYPE_PERF_EVENT_ARRAY), with the interface of cilium/ebpf's package
// of the same name: code that reads one reads the other.
package perf

// Package ringbuf reads ring buffers (BPF_MAP_TYPE_RINGBUF), with the interface of cilium/ebpf's package of
// the same name: code that reads one reads the other.
package ringbuf

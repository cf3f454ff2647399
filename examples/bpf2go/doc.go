// Package bpf2go holds what bpf2go makes of the firewall, unchanged: its test is one that anybody would write for the
// kernel, with another import line.
package bpf2go

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -cc clang-19 -strip llvm-strip-19 -target bpfel -type counter -type network4 Firewall ../firewall/firewall.c -- -I/usr/include/x86_64-linux-gnu

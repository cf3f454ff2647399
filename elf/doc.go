// Package elf reads the object files that compilers write for the kernel, and the specifications that
// cilium/ebpf keeps of them, into package spec.
//
// Code is taken byte for byte as it stands in the sections. What the kernel's own loader, libbpf, does to it
// happens here: functions that a program calls are put behind it, references to maps, variables and kernel
// functions become those of spec, and CO-RE relocations are resolved against the types of a kernel.
// Types (BTF) come from cilium/ebpf, whose own loader is not used: it refuses objects that load well otherwise.
//
// Objects of old compilers are read too: symbols without type or size, map definitions of any size in sections
// named maps, programs in .text, no BTF. Objects for big-endian machines are refused, as their constants are
// in the wrong order for the little-endian memory that programs run on.
package elf

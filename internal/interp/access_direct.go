//go:build 386 || amd64 || arm64 || loong64 || ppc64le || wasm

// Implements access to guest memory on hosts that are little endian and take any alignment: as it stands.

package interp

import "unsafe"

func load16(p unsafe.Pointer) uint16 { return *(*uint16)(p) }
func load32(p unsafe.Pointer) uint32 { return *(*uint32)(p) }
func load64(p unsafe.Pointer) uint64 { return *(*uint64)(p) }

func store16(p unsafe.Pointer, v uint16) { *(*uint16)(p) = v }
func store32(p unsafe.Pointer, v uint32) { *(*uint32)(p) = v }
func store64(p unsafe.Pointer, v uint64) { *(*uint64)(p) = v }

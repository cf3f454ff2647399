// Implements stores that others may see at once, by atomic operations.

//go:build !amd64 || race

package bpfmap

import "sync/atomic"

func storeWord(p *uint64, v uint64) { atomic.StoreUint64(p, v) }
func storeHalf(p *uint32, v uint32) { atomic.StoreUint32(p, v) }

// fence is needed only where stores are no atomic operations.
func fence() {}

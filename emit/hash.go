// Implements perfect hashing: a function under which no two of a set of numbers have the same place.

package emit

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// hash is such a function: the product with mul has the bucket in its upper bits and, from bit hashShift on, the
// place, which is moved (by xor) by what moves has for the bucket.
type hash struct {
	mul                   uint64
	bucketBits, placeBits int
	moves                 []byte // 16 bits for each bucket
	places                []byte // the number at each place, 64 bits
}

const (
	hashShift  = 16
	hashTrials = 32
	maxPlaces  = 16 // bits
)

// findHash finds a function for numbers, which are sorted, or fails if there are too many.
func findHash(numbers []uint64) (hash, bool) {
	h := hash{placeBits: bits.Len(uint(len(numbers) + len(numbers)/4)), bucketBits: max(1, bits.Len(uint(len(numbers)/4)))}
	if h.placeBits > maxPlaces {
		return hash{}, false
	}
	h.mul = 0x9e3779b97f4a7c15
	for range hashTrials {
		if h.try(numbers) {
			return h, true
		}
		h.mul = h.mul*6364136223846793005 + 1442695040888963407 | 1
	}
	return hash{}, false
}

// try fills in moves and places, biggest buckets first.
func (h *hash) try(numbers []uint64) bool {
	buckets := make([][]uint64, 1<<h.bucketBits)
	for _, n := range numbers {
		b := n * h.mul >> (64 - h.bucketBits)
		buckets[b] = append(buckets[b], n)
	}
	order := make([]int, len(buckets))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(buckets[b]) - len(buckets[a]) })
	size := uint64(1) << h.placeBits
	taken := make([]bool, size)
	h.moves, h.places = make([]byte, 2*len(buckets)), make([]byte, 8*size)
	for i := range size {
		binary.LittleEndian.PutUint64(h.places[8*i:], numbers[0]) // which is found at its own place alone
	}
	for _, b := range order {
		move, ok := h.move(buckets[b], taken)
		if !ok {
			return false
		}
		binary.LittleEndian.PutUint16(h.moves[2*b:], uint16(move))
		for _, n := range buckets[b] {
			p := h.place(n) ^ move
			taken[p] = true
			binary.LittleEndian.PutUint64(h.places[8*p:], n)
		}
	}
	return true
}

func (h *hash) place(n uint64) uint64 { return n * h.mul >> hashShift & (1<<h.placeBits - 1) }

// move finds how to move a bucket's numbers to places that are free.
func (h *hash) move(bucket []uint64, taken []bool) (uint64, bool) {
next:
	for move := range uint64(len(taken)) {
		for i, n := range bucket {
			if taken[h.place(n)^move] {
				continue next
			}
			for _, o := range bucket[:i] {
				if h.place(o) == h.place(n) {
					return 0, false
				}
			}
		}
		return move, true
	}
	return 0, false
}

// Package cpeer holds the peers that are reached through cgo: an empty C function, and the filter machine of
// libpcap. Without cgo it says so instead.
package cpeer

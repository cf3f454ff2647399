// Package cpeer holds the peers that are reached through cgo: an empty C function, and with the build tag
// libpcap the filter machine of libpcap. Without cgo or without the tag it says so instead.
package cpeer

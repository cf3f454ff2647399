// Implements the constant that says whether the race detector, which has a shadow of all memory, is at work.

//go:build !race

package bpfmap_test

const raceDetector = false

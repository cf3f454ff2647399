//go:build race

package filter_test

// raced tells that the race detector is on, under which pools drop what is put into them now and then.
const raced = true

//go:build !amd64

package skep_test

func f3Addr() uintptr { return 0 }

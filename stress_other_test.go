//go:build !unix

package skep_test

import "os"

func annoy(*os.Process) {}

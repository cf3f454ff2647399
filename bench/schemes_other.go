// Implements the absence of the table of sandbox schemes.

//go:build !(linux && amd64)

package main

import "fmt"

func schemes(_ int, sel *selection) error {
	if sel.wants("schemes", "schemes") {
		fmt.Println("\nschemes: measured on linux/amd64 only")
	}
	return nil
}

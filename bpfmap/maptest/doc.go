// Package maptest tests maps: a type's test is one call of Run. It compares a map of Skep with the kernel's of
// the same definition, operation by operation, where the kernel may be asked, and uses it from many goroutines
// at once.
package maptest

// Package prove shows that plain functions stay inside the memory they are given, for code that a compiler of this project
// has written and that is to run without checks.
//
// What the verifier of package verify knows are the kernel's types and its rules, which bound every access by constants.
// The functions here get the address of a record of which the embedder says what is in it: how long it is, where it has
// pointers, to what, and where the length of that is (Memory). What has to be shown are inequalities between numbers that
// nobody knows: that the offset of a text and its size are not more than the length of the record, say. So the values of
// registers are linear expressions of unknowns, what comparisons tell are inequalities, and an access is safe if its
// inequality is a sum of some of them.
//
// Numbers are mathematical, not words of 64 bits: where an operation could wrap, its result is a new unknown. Loops are
// gone through until what is assumed at their heads holds at their ends. Nothing is said about whether they end.
package prove

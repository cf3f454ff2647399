// Package progtype describes program types as data: what the context that R1 points to looks like and where
// its fields come from, and whether packets can be read by ld_abs and changed. Engines and the verifier read
// these rows; to add a type is to add a row.
package progtype

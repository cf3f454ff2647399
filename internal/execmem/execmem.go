// Package execmem holds machine code: memory that is written first and executed then, never both at once.
package execmem

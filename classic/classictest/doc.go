// Implements the package's introduction.

// Package classictest makes random classic programs and packets for tests of engines, translators and
// optimisers. The programs are drawn from the rows of package classic, so a new row takes part at once.
//
//	r := rand.New(rand.NewPCG(1, 2))
//	prog := classictest.Program(r, 50, classictest.Full)
//	p := classictest.Packet(r)
package classictest

// Implements the documentation of package witness.

// Package witness searches for inputs that lead a program along a path, to where it does what it must not: packets,
// contexts, contents of maps, results of helpers. It goes the path once and writes down what each condition on it
// compares, as expressions over the input; then it changes the input until all conditions hold, by going backwards
// through the expressions, and by chance. What it finds are candidates: whether they do what they are meant to, only a
// run shows.
package witness

// Package automaton makes deterministic automata of patterns: globs and a subset of regular expressions. An
// automaton reads bytes, one at a time, and never goes back.
package automaton

// Implements the package's introduction.

// Package seccomp makes filters for system calls, as Linux runs them in seccomp mode 2, and tells what such filters
// do. A Policy, or a profile in the JSON of container runtimes, becomes classic BPF; the code is proved to
// do what the policy says. Nothing here needs a kernel, but for loading filters and looking at processes.
package seccomp

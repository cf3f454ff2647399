// Implements the package's introduction.

// Package seccomp makes filters for system calls, as Linux applies them to processes, and tells what such filters do.
//
// A Policy says what is to be done with each call, by its name and arguments; a Profile is the JSON in which container
// runtimes write policies down. Compile turns either into a Filter, which is classic BPF: a search tree over
// the numbers of calls, with tests of arguments where the policy has some. Compile also proves that the filter answers
// every possible call, with any arguments, as the policy says.
//
//	policy := &seccomp.Policy{
//		Default: seccomp.Errno(38), // ENOSYS
//		Rules: []seccomp.Rule{
//			{Syscalls: []string{"read", "write", "exit_group"}, Action: seccomp.Allow},
//			{Syscalls: []string{"socket"}, Args: []seccomp.Arg{{Index: 0, Op: seccomp.Equal, Value: 1}}, Action: seccomp.Allow},
//		},
//	}
//	filter, err := seccomp.Compile(policy, nil)
//
// # What filters do
//
// Filters from anywhere can be looked at (NewFilter). Run answers a call as the kernel would, as machine code where
// Skep has a compiler. Table and Explain list all that a filter does, Listing shows its code beside the meaning, and
// Diff lists the calls that two filters answer differently; no difference is a proof. They run a filter on all calls
// at once, as functions of the bits of struct seccomp_data in canonical form, which are equal exactly if they are the
// same. Nothing of this needs Linux.
//
// # In the kernel
//
// Load gives all threads of the process a filter, Exec a program that takes the place of this one. A Listener answers
// calls for which a filter says Notify. Dump reads the filters of a process, and Record finds out which calls a
// command makes and proposes a policy. On other systems these fail with ErrNotSupported.
//
// # Where it differs from libseccomp
//
// Verdicts are those of libseccomp 2.5, but for these cases. Arguments of x32 and MIPS n32 are 64 bits wide, since
// registers are. On 32-bit architectures values that do not fit match nothing; libseccomp looks at their lower halves.
// Where calls also come through socketcall or ipc, a rule with tests is not read as if it had none: what cannot be
// tested there gets the stricter of both answers. The version in the first argument of ipc does not matter. A masked
// comparison with a value that the mask clears is an error. And of several rules with different tests for one call,
// each means what it says.
package seccomp

// Package helper holds the functions that programs can call: for each its number, name, signature and body,
// written as one literal. The standard table has helpers of the Linux kernel with the kernel's numbers;
// Options.Helpers of package skep adds further ones or replaces bodies, for one program at a time.
//
//	count := helper.Helper{
//		ID: 1000, Name: "count", Args: []helper.Arg{helper.Any},
//		Func: func(c *helper.Call, n, _, _, _, _ uint64) (uint64, error) { total += n; return total, nil },
//	}
//
// A helper takes at most five arguments, in R1 to R5, and returns one value, in R0. After a call R1 to R5
// are unreadable, whatever the helper did.
//
// What helpers tell of the world comes from an Env. One that fixes it makes runs repeatable:
//
//	clock := &helper.Clock{}
//	env := &helper.Env{Clock: clock, Random: func() uint32 { return 4 }, Trace: os.Stderr,
//		Task: &helper.Task{PID: 11, TGID: 10, Comm: "cat"}}
//	prog, err := skep.Load(p, &skep.Options{Env: env})
//	…
//	clock.Advance(time.Second) // runs the program's timers that come due
//
// A Mock stands in for a helper in tests.
//
// What has no meaning outside a kernel gives the error that the kernel gives where there is nothing of the sort: branch
// records, memory areas of tasks and hashes of files do not exist, and system calls are not permitted. Pointers that
// the kernel hashes when it prints them (%p) are printed as they are.
package helper

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
package helper

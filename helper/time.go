// Implements the helpers that ask for time, chance and place: clocks, random numbers, processor.

package helper

// number returns a helper without arguments that gives a number.
func number(id int32, name string, f func(c *Call) uint64) Helper {
	return Helper{ID: id, Name: name, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return f(c), nil }}
}

var timeAndChance = []Helper{
	number(5, "ktime_get_ns", func(c *Call) uint64 { return c.Env.now() }),
	number(7, "get_prandom_u32", func(c *Call) uint64 { return uint64(c.Env.random()) }),
	number(8, "get_smp_processor_id", func(c *Call) uint64 { return uint64(c.cpu()) }),
	number(42, "get_numa_node_id", func(c *Call) uint64 {
		if c.Env == nil {
			return 0
		}
		return uint64(c.Env.NUMANode)
	}),
	number(118, "jiffies64", func(c *Call) uint64 { return c.Env.jiffies() }),
	number(125, "ktime_get_boot_ns", func(c *Call) uint64 {
		if c.Env == nil {
			return c.Env.now()
		}
		return c.Env.now() + uint64(c.Env.Boot)
	}),
	// The coarse clock stands still between two ticks.
	number(160, "ktime_get_coarse_ns", func(c *Call) uint64 {
		now := c.Env.now()
		if c.Env.fixed() {
			return now
		}
		return now - now%(1e9/defaultHZ)
	}),
	number(208, "ktime_get_tai_ns", func(c *Call) uint64 { return c.Env.tai() }),
}

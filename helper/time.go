// Implements the helpers that ask for time, chance and place: clock, random numbers, processor.

package helper

import (
	"math/rand/v2"
	"time"
)

var processStart = time.Now()

var timeAndChance = []Helper{
	{ID: 5, Name: "ktime_get_ns", Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		if c.Env != nil && c.Env.Now != nil {
			return c.Env.Now(), nil
		}
		return uint64(time.Since(processStart)), nil
	}},
	{ID: 7, Name: "get_prandom_u32", Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		if c.Env != nil && c.Env.Random != nil {
			return uint64(c.Env.Random()), nil
		}
		return uint64(rand.Uint32()), nil
	}},
	{ID: 8, Name: "get_smp_processor_id", Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		if c.Env != nil && c.Env.CPU != nil {
			return uint64(c.Env.CPU()), nil
		}
		return 0, nil
	}},
}

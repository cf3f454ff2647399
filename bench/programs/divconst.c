#include "bench.h"

/* Divisions and remainders by constants. */
u64 run(u8 *mem, u64 len) {
	u64 s = 0;
	for (u64 i = 0; i + 3 < len; i += 4) {
		u32 x = *(u32 *)(mem + i);
		s += x / 10 + x % 1000 + (s ^ x) / 7;
	}
	return s;
}

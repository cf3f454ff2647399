#include "bench.h"

/* Counts the bits set in the memory. */
u64 run(u8 *mem, u64 len) {
	u64 n = 0;
	for (u64 i = 0; i + 7 < len; i += 8) {
		u64 x = *(u64 *)(mem + i);
		x -= (x >> 1) & 0x5555555555555555ull;
		x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
		x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
		n += (x * 0x0101010101010101ull) >> 56;
	}
	return n;
}

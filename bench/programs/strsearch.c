#include "bench.h"

/* Counts where a four-byte pattern occurs in the memory. */
u64 run(u8 *mem, u64 len) {
	u64 n = 0;
	for (u64 i = 0; i + 3 < len; i++)
		if (mem[i] == 7 && mem[i + 1] == 14 && mem[i + 2] == 21 && mem[i + 3] == 28) n++; else n += mem[i] == 0;
	return n;
}

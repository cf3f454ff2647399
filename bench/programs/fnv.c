#include "bench.h"

/* FNV-1a hash of the memory, byte by byte. */
u64 run(u8 *mem, u64 len) {
	u64 h = 0xcbf29ce484222325ull;
	for (u64 i = 0; i < len; i++) { h ^= mem[i]; h *= 0x100000001b3ull; }
	return h;
}

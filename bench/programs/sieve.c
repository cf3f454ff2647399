#include "bench.h"

/* Counts primes with a sieve of bytes in the memory. */
u64 run(u8 *mem, u64 len) {
	u64 n = 0;
	for (u64 i = 0; i < len; i++) mem[i] = 1;
	for (u64 i = 2; i < len; i++) {
		if (!mem[i]) continue;
		n++;
		for (u64 j = i + i; j < len; j += i) mem[j] = 0;
	}
	return n;
}

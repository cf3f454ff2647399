#include "bench.h"

/* Fibonacci numbers modulo 2^64, iteratively. */
u64 run(u8 *mem, u64 len) {
	u64 a = 0, b = 1;
	for (u64 i = 0; i < len; i++) { u64 t = a + b; a = b; b = t; }
	return a;
}

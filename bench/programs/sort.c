#include "bench.h"

/* Insertion sort of the first 256 words of the memory. */
u64 run(u8 *mem, u64 len) {
	u32 *a = (u32 *)mem;
	u64 n = len / 4 < 256 ? len / 4 : 256, h = 0;
	for (u64 i = 1; i < n; i++) {
		u32 v = a[i];
		u64 j = i;
		while (j > 0 && a[j - 1] > v) { a[j] = a[j - 1]; j--; }
		a[j] = v;
	}
	for (u64 i = 0; i < n; i++) h = h * 31 + a[i];
	return h;
}

#include "bench.h"

/* Binary search of many keys in an arithmetic series built in the memory. */
u64 run(u8 *mem, u64 len) {
	u64 *a = (u64 *)mem, n = len / 8, found = 0;
	for (u64 i = 0; i < n; i++) a[i] = i * 3;
	for (u64 k = 0; k < 3 * n; k += 7) {
		u64 lo = 0, hi = n;
		while (lo < hi) {
			u64 mid = (lo + hi) / 2;
			if (a[mid] < k) lo = mid + 1; else hi = mid;
		}
		if (lo < n && a[lo] == k) found++;
	}
	return found;
}

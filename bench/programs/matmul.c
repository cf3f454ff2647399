#include "bench.h"

/* Multiplies two 16x16 matrices of words in the memory, several times. */
u64 run(u8 *mem, u64 len) {
	u32 *a = (u32 *)mem, *b = a + 256, *c = b + 256;
	u64 h = 0;
	if (len < 3072) return 0;
	for (int r = 0; r < 4; r++) {
		for (int i = 0; i < 16; i++)
			for (int j = 0; j < 16; j++) {
				u32 s = 0;
				for (int k = 0; k < 16; k++) s += a[i * 16 + k] * b[k * 16 + j];
				c[i * 16 + j] = s;
			}
		for (int i = 0; i < 256; i++) a[i] = c[i] + i;
	}
	for (int i = 0; i < 256; i++) h = h * 31 + c[i];
	return h;
}

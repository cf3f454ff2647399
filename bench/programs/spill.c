#include "bench.h"

/* More live values than registers: a small hash with sixteen lanes on the stack. */
u64 run(u8 *mem, u64 len) {
	u64 s[16];
	for (int i = 0; i < 16; i++) s[i] = i * 0x9e3779b97f4a7c15ull;
	for (u64 i = 0; i + 7 < len; i += 8) {
		u64 w = *(u64 *)(mem + i);
		s[i & 15] += w;
		s[(i >> 3) & 15] ^= s[(w >> 5) & 15] + (w << 7);
	}
	u64 h = 0;
	for (int i = 0; i < 16; i++) h = (h ^ s[i]) * 0xff51afd7ed558ccdull;
	return h;
}

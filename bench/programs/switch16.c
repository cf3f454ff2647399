#include "bench.h"

/* A state machine with sixteen cases a byte. */
u64 run(u8 *mem, u64 len) {
	u64 s = 1;
	for (u64 i = 0; i < len; i++)
		switch (mem[i] & 15) {
		case 0: s += 3; break;
		case 1: s ^= i; break;
		case 2: s *= 5; break;
		case 3: s -= mem[i]; break;
		case 4: s = s << 3 | s >> 61; break;
		case 5: s |= 1; break;
		case 6: s += s >> 7; break;
		case 7: s ^= s << 9; break;
		case 8: s -= i * 3; break;
		case 9: s = ~s; break;
		case 10: s &= ~(1ull << 40); break;
		case 11: s += 0x1234567; break;
		case 12: s *= 9; break;
		case 13: s ^= 0xff00ff; break;
		case 14: s += i << 4; break;
		default: s--; break;
		}
	return s;
}

#include "bench.h"

/* Parses packets back to back: Ethernet, IPv4 and ports, as a socket filter would; eight times over. */
inline_ u16 be16(u8 *p) { return p[0] << 8 | p[1]; }
inline_ u64 pass(u8 *mem, u64 len) {
	u64 hits = 0;
	for (u64 off = 0; off + 64 <= len; off += 64) {
		u8 *p = mem + off;
		p[12] = 8; p[13] = 0; p[14] = 0x45; p[23] = off & 64 ? 6 : 17;
		if (be16(p + 12) != 0x800) continue;
		u32 ihl = (p[14] & 15) * 4;
		if (ihl < 20) continue;
		if (p[23] == 6 && (be16(p + 14 + ihl + 2) == 443 || be16(p + 14 + ihl) == 443)) hits += 2;
		else if (p[23] == 17) hits += be16(p + 14 + ihl + 2) < 1024;
	}
	return hits;
}
u64 run(u8 *mem, u64 len) {
	u64 hits = 0;
	for (int i = 0; i < 8; i++) hits = hits * 3 + pass(mem, len);
	return hits;
}

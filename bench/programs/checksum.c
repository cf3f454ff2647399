#include "bench.h"

/* The Internet checksum of the memory, 16 bits at a time. */
u64 run(u8 *mem, u64 len) {
	u32 sum = 0;
	for (u64 i = 0; i + 1 < len; i += 2) sum += *(u16 *)(mem + i);
	while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
	return (u16)~sum;
}

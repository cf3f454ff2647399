#include "../bench.h"

/* The entry of each native program: runs it n times, each time on a fresh copy of the memory, as the other
   runtimes do. len is a multiple of 8. Fences keep the copy and the program apart, and the processor's counter
   around the program alone says how much of the whole time is the program's. */
struct spent {
	u64 program, whole; /* ticks */
};
u64 run(u8 *mem, u64 len);

inline_ u64 now(void) {
	__builtin_ia32_mfence();
	__builtin_ia32_lfence();
	u64 t = __builtin_ia32_rdtsc();
	__builtin_ia32_lfence();
	return t;
}

__attribute__((force_align_arg_pointer)) u64 loop(u64 *restrict work, const u64 *restrict memory, u64 len, u64 n,
						  struct spent *spent) {
	u64 r = 0, program = 0, start = now();
	while (n--) {
		for (u64 i = 0; i < len / 8; i++) work[i] = memory[i];
		u64 t = now();
		r = run((u8 *)work, len);
		program += now() - t;
	}
	spent->program = program;
	spent->whole = now() - start;
	return r;
}

/* What the table of calls runs as WebAssembly. Each loop adds up the numbers from n to 1; one has the host hand
   them through, the other does not, so that the difference is the price of the host's call. */
typedef unsigned long long u64;

__attribute__((import_module("bench"), import_name("host"))) u64 host(u64 v);

__attribute__((export_name("empty"))) void empty(void) {}

__attribute__((export_name("calls"))) u64 calls(u64 n) {
	u64 sum = 0;
	for (; n; n--) sum += host(n);
	return sum;
}

__attribute__((export_name("loop"))) u64 loop(u64 n) {
	u64 sum = 0;
	for (; n; n--) {
		u64 v = n;
		__asm__ volatile("" : "+r"(v)); /* or the loop becomes a formula */
		sum += v;
	}
	return sum;
}

#!/bin/sh
# Compiles the benchmark programs: for BPF (.o), to plain machine code without vectors and unrolled loops (.native)
# and to WebAssembly (.wasm). The results are committed, so that a run needs no clang. Needs clang-19 and lld-19.
set -e
cd "$(dirname "$0")"
trap 'rm -f *.tmp' EXIT
# -fno-builtin: a call of memset or memcpy would find nothing to call.
native="-target x86_64-linux-gnu -O2 -march=x86-64-v2 -mtune=generic -fno-builtin -fPIC -fcf-protection=none
	-fno-asynchronous-unwind-tables -fno-stack-protector"
clang-19 $native -c harness/loop.c -o loop.tmp
for c in *.c; do
	name=${c%.c}
	clang-19 -O2 -fno-builtin -fno-unroll-loops -target bpf -mcpu=v3 -c "$c" -o "$name.o"
	clang-19 $native -fno-vectorize -fno-slp-vectorize -fno-unroll-loops -c "$c" -o program.tmp
	ld.lld-19 -T harness/native.ld --oformat binary loop.tmp program.tmp -o "$name.native"
	chmod -x "$name.native"
	clang-19 --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry,--export=run,--export=__heap_base,--strip-all \
		-z stack-size=8192 "$c" -o "$name.wasm"
done
clang-19 --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry,--strip-all harness/calls.c -o harness/calls.wasm
chmod -x *.wasm harness/*.wasm

#!/bin/sh
# Compiles the benchmark programs for BPF. The objects are committed, so that a run needs no clang.
set -e
cd "$(dirname "$0")"
for c in *.c; do
	clang-19 -O2 -fno-builtin -fno-unroll-loops -target bpf -mcpu=v3 -c "$c" -o "${c%.c}.o"
done

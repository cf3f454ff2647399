#!/bin/sh
# Compiles the examples in C to the objects beside them. Needs clang 19 and libbpf-dev.
set -eu
cd "$(dirname "$0")"
for c in */*.c; do
	clang-19 -g -O2 -Wall -Werror -target bpfel -mcpu=v3 -I"/usr/include/$(uname -m)-linux-gnu" \
		-ffile-prefix-map="$PWD"=. -fdebug-compilation-dir=. -c "$c" -o "${c%.c}.o"
	llvm-strip-19 -g "${c%.c}.o"
done

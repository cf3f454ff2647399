// Implements the entry into machine code.

//go:build linux

#include "textflag.h"

// func enter(m *Machine, at uintptr) uint32
//
// The registers of m are its first field. R14 and R15 may change: Go's compiled code loads what it keeps
// there again after a call of an assembly function.
TEXT ·enter(SB), 0, $8-20
	MOVQ m+0(FP), R12
	MOVQ at+8(FP), R11
	MOVQ 0(R12), AX
	MOVQ 8(R12), DI
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	MOVQ 32(R12), CX
	MOVQ 40(R12), R8
	MOVQ 48(R12), BX
	MOVQ 56(R12), R13
	MOVQ 64(R12), R14
	MOVQ 72(R12), R15
	MOVQ 80(R12), R9
	CALL R11
	MOVQ AX, 0(R12)
	MOVQ DI, 8(R12)
	MOVQ SI, 16(R12)
	MOVQ DX, 24(R12)
	MOVQ CX, 32(R12)
	MOVQ R8, 40(R12)
	MOVQ BX, 48(R12)
	MOVQ R13, 56(R12)
	MOVQ R14, 64(R12)
	MOVQ R15, 72(R12)
	MOVL R11, ret+16(FP)
	RET

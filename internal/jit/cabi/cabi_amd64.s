// Implements calls of System V functions from Go, and f1 and f3 of the example.

#include "textflag.h"

// func call(fn uintptr, a1, a2, a3, a4, a5 uint64) uint64
//
// The frame is the callee's stack: the stack pointer goes back up before the call, so that what the callee
// pushes is inside it. The callee keeps RBP; Go's compiled code expects nothing of the other registers after
// a call of an assembly function.
TEXT ·call(SB), 0, $8192-56
	MOVQ fn+0(FP), AX
	MOVQ a1+8(FP), DI
	MOVQ a2+16(FP), SI
	MOVQ a3+24(FP), DX
	MOVQ a4+32(FP), CX
	MOVQ a5+40(FP), R8
	ADDQ $8128, SP
	CALL AX
	SUBQ $8128, SP
	MOVQ AX, ret+48(FP)
	RET

// f1() = f2(1), f2 called through a pointer.
TEXT f1<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVL $1, DI
	MOVQ ·f2(SB), AX
	CALL AX
	RET

// f3(a, b) = a - b
TEXT f3<>(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ DI, AX
	SUBQ SI, AX
	RET

// func f1Addr() uintptr
TEXT ·f1Addr(SB), NOSPLIT, $0-8
	LEAQ f1<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func f3Addr() uintptr
TEXT ·f3Addr(SB), NOSPLIT, $0-8
	LEAQ f3<>(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func preserves(fn uintptr) uint64
TEXT ·preserves(SB), 0, $8192-16
	MOVQ fn+0(FP), AX
	MOVQ $0x1111111111111111, BX
	MOVQ $0x2222222222222222, R12
	MOVQ $0x3333333333333333, R13
	MOVQ $0x4444444444444444, R14
	MOVQ $0x5555555555555555, R15
	MOVL $5, DI
	ADDQ $8128, SP
	CALL AX
	SUBQ $8128, SP
	MOVQ $0, AX
	MOVQ $0x1111111111111111, CX
	CMPQ CX, BX
	JNE  done
	MOVQ $0x2222222222222222, CX
	CMPQ CX, R12
	JNE  done
	MOVQ $0x3333333333333333, CX
	CMPQ CX, R13
	JNE  done
	MOVQ $0x4444444444444444, CX
	CMPQ CX, R14
	JNE  done
	MOVQ $0x5555555555555555, CX
	CMPQ CX, R15
	JNE  done
	MOVQ $1, AX
done:
	MOVQ AX, ret+8(FP)
	RET

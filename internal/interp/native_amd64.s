// Implements the entry into machine code, and calls of helpers from there.

//go:build linux

#include "go_asm.h"
#include "funcdata.h"
#include "textflag.h"

// func enter(m *Machine, at uintptr) (r0 uint64, exit uint32, err error)
//
// The registers of m are its first field. R14 and R15 may change: Go's compiled code loads what it keeps
// there again after a call of an assembly function.
//
// A helper is a Go closure, helper.Func. It gets its arguments in the registers of Go's own convention: AX,
// BX, CX, DI, SI, R8, and the closure in DX; R14 holds the goroutine, X15 is zero, and the 48 bytes at the
// bottom of the frame are the callee's. It returns the result in AX and the error in BX and CX. The code that
// called has returned to here by then, so all that the runtime finds on the stack is Go's own. R1 to R5 are
// zero after the call, as in the other engines.
TEXT ·enter(SB), 0, $64-48
	NO_LOCAL_POINTERS
	MOVQ m+0(FP), R12
	MOVQ at+8(FP), AX
	MOVQ (TLS), R14
	MOVQ R14, (Machine_native+native_g)(R12)
	CALL AX

left:
	NOTL  R11
	TESTL $3, R11
	JEQ   helper
	NOTL  R11
	MOVQ  AX, r0+16(FP)
	MOVL  R11, exit+24(FP)
	MOVQ  $0, err_itable+32(FP)
	MOVQ  $0, err_data+40(FP)
	RET

helper:
	NOTL R11
	MOVQ BX, 48(R12)
	MOVQ R13, 56(R12)
	MOVQ R14, 64(R12)
	MOVQ R15, 72(R12)
	MOVQ R9, 80(R12)
	MOVQ BP, (Machine_native+native_fp)(R12)
	MOVQ R10, (Machine_native+native_resume)(R12)
	MOVL R11, (Machine_native+native_exit)(R12)
	MOVQ (Machine_native+native_funcs)(R12), R10
	MOVQ DI, BX
	MOVQ DX, DI
	MOVQ CX, R9
	MOVQ SI, CX
	MOVQ R9, SI
	MOVQ -6(R10)(R11*2), DX
	LEAQ Machine_Call(R12), AX
	LEAQ 64(SP), BP
	MOVQ (TLS), R14
	XORPS X15, X15
	MOVQ (DX), R9
	CALL R9
	MOVQ m+0(FP), R12
	TESTQ BX, BX
	JNE  failed
	MOVQ 48(R12), BX
	MOVQ 56(R12), R13
	MOVQ 64(R12), R14
	MOVQ 72(R12), R15
	MOVQ 80(R12), R9
	MOVQ (Machine_native+native_fp)(R12), BP
	MOVQ (Machine_native+native_resume)(R12), R11
	XORL DI, DI
	XORL SI, SI
	XORL DX, DX
	XORL CX, CX
	XORL R8, R8
	CALL R11
	JMP  left

failed:
	MOVL (Machine_native+native_exit)(R12), R11
	MOVQ AX, r0+16(FP)
	MOVL R11, exit+24(FP)
	MOVQ BX, err_itable+32(FP)
	MOVQ CX, err_data+40(FP)
	RET

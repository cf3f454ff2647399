// Package ir holds decoded programs: the narrow place between what was written (package spec) and the
// engines. Decode looks every instruction up once, joins the slots of wide ones, makes every jump absolute
// and proves that it lands on an instruction of the same function; nothing after it reads wire bytes again.
//
// A *Program can only be made by Decode, so holding one is proof that its instructions are known, its
// registers exist, its jumps land, no function falls off its end, and R10 is never written. It is no proof
// that memory accesses are in bounds or registers initialised: Init says what can be told about the latter.
package ir

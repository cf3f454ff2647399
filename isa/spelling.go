// Implements the vocabulary of the spelling columns: what the placeholders in a row's Text and Mnemonic stand for.

package isa

import "strings"

// The placeholders of Row.Text and Row.Mnemonic. Package asm reads and prints them.
//
//	{dst} {src}     a register: r1, in mnemonics %r1
//	{wdst} {wsrc}   the register's lower half: w1
//	{xdst} {xsrc}   printed r1, also read as w1 (clang writes either for narrow loads and stores)
//	{r0} {w0}       R0, fixed
//	{imm}           signed 32-bit immediate
//	{imm64}         64-bit immediate over two slots
//	{off}           memory offset with its sign: "+ 8", "- 8"; in mnemonics "+8", or nothing for 0
//	{off32}         the same from the 32-bit immediate
//	{off16}         the offset field as a plain number
//	{imms}          the immediates of all slots
//	{jump}          jump target in the offset field: +5, or a label
//	{longjump}      jump target in the immediate
//	{func}          function in the immediate, relative: pc+5, or a label
//	{helper}        helper number or name in the immediate
//	{kfunc}         kernel function: name, or BTF id and module index
//	{map} {valoff}  map by name or descriptor, and an offset into its value
//	{var}           variable: name, or BTF id and module descriptor
//	{spaces}        destination and source address space

// aliases are further spellings in assignment style that asm reads and never prints: those of the kernel's
// own printer where it differs from clang's.
var aliases = map[Op][]string{
	Goto:             {"goto pc {jump}"},
	GotoLong:         {"gotol pc {longjump}"},
	MayGoto:          {"may_goto pc {jump}"},
	CallReg:          {"call {dst}"},
	LdImm64:          {"{dst} = {imm64}ll"},
	AtomicFetchAdd64: {"{src} = atomic64_fetch_add((u64 *)({dst} {off}), {src})"},
	AtomicFetchOr64:  {"{src} = atomic64_fetch_or((u64 *)({dst} {off}), {src})"},
	AtomicFetchAnd64: {"{src} = atomic64_fetch_and((u64 *)({dst} {off}), {src})"},
	AtomicFetchXor64: {"{src} = atomic64_fetch_xor((u64 *)({dst} {off}), {src})"},
	AtomicFetchAdd32: {"{src} = atomic_fetch_add((u32 *)({dst} {off}), {src})"},
	AtomicFetchOr32:  {"{src} = atomic_fetch_or((u32 *)({dst} {off}), {src})"},
	AtomicFetchAnd32: {"{src} = atomic_fetch_and((u32 *)({dst} {off}), {src})"},
	AtomicFetchXor32: {"{src} = atomic_fetch_xor((u32 *)({dst} {off}), {src})"},
	AtomicAdd32:      {"lock *(u32 *)({dst} {off}) += {src}"},
	AtomicOr32:       {"lock *(u32 *)({dst} {off}) |= {src}"},
	AtomicAnd32:      {"lock *(u32 *)({dst} {off}) &= {src}"},
	AtomicXor32:      {"lock *(u32 *)({dst} {off}) ^= {src}"},
	AtomicXchg64:     {"{src} = atomic64_xchg((u64 *)({dst} {off}), {src})"},
	AtomicXchg32:     {"{src} = atomic_xchg((u32 *)({dst} {off}), {src})"},
	AtomicCmpxchg64:  {"{r0} = atomic64_cmpxchg((u64 *)({dst} {off}), {r0}, {src})"},
	AtomicCmpxchg32:  {"{r0} = atomic_cmpxchg((u32 *)({dst} {off}), {r0}, {src})"},
}

// Aliases returns further assignment-style spellings of the row, for reading only.
func (r *Row) Aliases() []string {
	if r.ext != nil {
		return nil
	}
	return aliases[r.Op]
}

// mnemonicAliases are further mnemonics that asm reads and never prints: those of the public conformance vectors.
var mnemonicAliases = map[Op][]string{
	BSwap16:   {"swap16 {dst}"},
	BSwap32:   {"swap32 {dst}"},
	BSwap64:   {"swap64 {dst}"},
	CallLocal: {"call {func}"},
}

// MnemonicAliases returns further uBPF spellings of the row, for reading only.
func (r *Row) MnemonicAliases() []string {
	if r.ext != nil {
		return nil
	}
	return mnemonicAliases[r.Op]
}

// name returns the mnemonic without braces, for messages.
func (r *Row) name() string { return strings.NewReplacer("{", "", "}", "").Replace(r.Mnemonic) }

// String returns the instruction's uBPF spelling with its operands by name, such as "add32 dst, imm".
func (op Op) String() string {
	if int(op) < len(table) {
		return table[op].name()
	}
	return "extension"
}

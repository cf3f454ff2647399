// Implements profiles: which instructions of the table a machine of a given age or standard has.

package isa

import (
	"fmt"
	"strings"
)

// Profile names a subset of the table.
type Profile uint8

const (
	// ProfileLinux is every instruction of the table: what the newest kernel runs, and calls through registers.
	ProfileLinux Profile = iota
	// ProfileRFC9669 is the instructions of the RFC, all conformance groups.
	ProfileRFC9669
	// Profile2014 is the first set, that of kernel 3.15: 87 instructions, counted by opcode.
	Profile2014
)

var profileNames = [...]string{"linux", "rfc9669", "2014"}

// String returns the profile's name as the command line spells it.
func (p Profile) String() string { return profileNames[p] }

// ParseProfile is the reverse of String.
func ParseProfile(name string) (Profile, error) {
	for i, n := range profileNames {
		if n == name {
			return Profile(i), nil
		}
	}
	return 0, fmt.Errorf("unknown profile %q: it is one of %s", name, strings.Join(profileNames[:], ", "))
}

// Has reports whether the profile has the instruction that a row describes. Extensions belong to ProfileLinux only.
func (p Profile) Has(r *Row) bool {
	switch p {
	case ProfileRFC9669:
		return r.Group <= Packet
	case Profile2014:
		return r.Since == v3_15
	}
	return true
}

// MaxInstructions is the greatest number of instructions a program of the profile may have: 4096 in 2014,
// one million today (the kernel's BPF_COMPLEXITY_LIMIT_INSNS bounds length for privileged users).
func (p Profile) MaxInstructions() int {
	if p == Profile2014 {
		return 4096
	}
	return 1_000_000
}

// Entry is one opcode of a profile with the instructions it carries. The first set was counted so: each
// byte-order instruction is one entry whose immediate says 16, 32 or 64.
type Entry struct {
	Code  uint8
	Forms []*Row
}

// Entries returns the profile's instructions of set s by opcode, in table order.
func (p Profile) Entries(s *Set) []Entry {
	var out []Entry
	at := map[uint8]int{}
	for _, r := range s.rows {
		if !p.Has(r) {
			continue
		}
		n, ok := at[r.Code]
		if !ok {
			n = len(out)
			at[r.Code] = n
			out = append(out, Entry{Code: r.Code})
		}
		out[n].Forms = append(out[n].Forms, r)
	}
	return out
}

// Implements the patterns: globs as the kernel has them, and regular expressions as package regexp has them.

package automaton

import (
	"fmt"
	"regexp/syntax"
	"unicode"
)

// Glob returns the automaton of a glob: * is any bytes, ? any byte, [a-z] and [!a-z] one of some, \ takes the next
// byte as it is. A [ without ] is a byte like others (the kernel's lib/glob.c).
func Glob(pattern string) (*Automaton, error) {
	n := &nfa{}
	match := n.add(state{kind: kindMatch})
	end := n.add(state{kind: kindEnd, out: match})
	var parts []func(next int) int
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch c {
		case '*':
			parts = append(parts, func(next int) int {
				return n.loop(func(s int) int { return n.bytes(0, 255, s) }, next)
			})
			continue
		case '?':
			parts = append(parts, func(next int) int { return n.bytes(0, 255, next) })
			continue
		case '[':
			if has, size := globClass(pattern[i+1:]); size > 0 {
				parts = append(parts, func(next int) int { return n.oneOf(has, next) })
				i += size
				continue
			}
		case '\\':
			if i++; i == len(pattern) {
				continue // nothing follows, so nothing must
			}
			c = pattern[i]
		}
		parts = append(parts, func(next int) int { return n.bytes(c, c, next) })
	}
	at := end
	for i := len(parts) - 1; i >= 0 && !n.full(); i-- {
		at = parts[i](at)
	}
	return n.determine(at)
}

// globClass reads the class behind a [: which bytes it has and how long it is, 0 if it does not end.
func globClass(s string) (has [256]bool, size int) {
	i, inverted := 0, false
	if i < len(s) && s[i] == '!' {
		i, inverted = 1, true
	}
	for first := true; ; first = false {
		if i >= len(s) {
			return has, 0
		}
		a := s[i]
		i++
		if a == ']' && !first {
			break
		}
		b := a
		if i+1 < len(s) && s[i] == '-' && s[i+1] != ']' {
			b = s[i+1]
			i += 2
		} else if i < len(s) && s[i] == '-' && i+1 >= len(s) {
			return has, 0
		}
		for c := int(a); c <= int(b); c++ {
			has[c] = true
		}
	}
	if inverted {
		for c := range has {
			has[c] = !has[c]
		}
	}
	return has, i
}

func (n *nfa) oneOf(has [256]bool, next int) int {
	out := -1
	for lo := 0; lo < 256; lo++ {
		if !has[lo] {
			continue
		}
		hi := lo
		for hi < 255 && has[hi+1] {
			hi++
		}
		out = n.join(n.bytes(byte(lo), byte(hi), next), out)
		lo = hi
	}
	if out < 0 {
		return n.bytes(1, 0, next)
	}
	return out
}

// Regexp returns the automaton that tells whether a text contains a match of a regular expression, in the syntax of
// package regexp. There are no word boundaries, and ^ and $ stand for the start and end of the text only.
func Regexp(pattern string) (*Automaton, error) {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return nil, err
	}
	n := &nfa{}
	at, err := n.regexp(re.Simplify(), n.add(state{kind: kindMatch}))
	if err != nil {
		return nil, err
	}
	// It may begin anywhere.
	at = n.loop(func(s int) int { return n.bytes(0, 255, s) }, at)
	return n.determine(at)
}

// regexp returns the state that re stands for ahead of next.
func (n *nfa) regexp(re *syntax.Regexp, next int) (int, error) {
	if n.full() {
		return 0, errLarge
	}
	switch re.Op {
	case syntax.OpNoMatch:
		return n.bytes(1, 0, next), nil
	case syntax.OpEmptyMatch:
		return next, nil
	case syntax.OpLiteral:
		for i := len(re.Rune) - 1; i >= 0; i-- {
			next = n.runes(folds(re.Rune[i], re.Flags&syntax.FoldCase != 0), next)
		}
		return next, nil
	case syntax.OpCharClass:
		return n.runes(re.Rune, next), nil
	case syntax.OpAnyChar:
		return n.runes([]rune{0, unicode.MaxRune}, next), nil
	case syntax.OpAnyCharNotNL:
		return n.runes([]rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}, next), nil
	case syntax.OpBeginText:
		return n.add(state{kind: kindBegin, out: next}), nil
	case syntax.OpEndText:
		return n.add(state{kind: kindEnd, out: next}), nil
	case syntax.OpCapture:
		return n.regexp(re.Sub[0], next)
	case syntax.OpConcat:
		var err error
		for i := len(re.Sub) - 1; i >= 0 && err == nil; i-- {
			next, err = n.regexp(re.Sub[i], next)
		}
		return next, err
	case syntax.OpAlternate:
		out := -1
		for _, sub := range re.Sub {
			s, err := n.regexp(sub, next)
			if err != nil {
				return 0, err
			}
			out = n.join(s, out)
		}
		return out, nil
	case syntax.OpQuest:
		s, err := n.regexp(re.Sub[0], next)
		return n.split(s, next), err
	case syntax.OpStar, syntax.OpPlus:
		return n.repeat(re, next)
	}
	return 0, fmt.Errorf("%s is not among what can be compiled", re)
}

func (n *nfa) repeat(re *syntax.Regexp, next int) (int, error) {
	var err error
	first := 0
	s := n.loop(func(s int) int {
		first, err = n.regexp(re.Sub[0], s)
		return first
	}, next)
	if re.Op == syntax.OpPlus {
		return first, err
	}
	return s, err
}

// folds returns a character as ranges: itself, or all that differ in case alone.
func folds(r rune, fold bool) []rune {
	out := []rune{r, r}
	if fold {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			out = append(out, f, f)
		}
	}
	return out
}

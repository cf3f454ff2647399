// Implements leaving out what cannot lead to a match any more, and the text that all matches begin with.

package automaton

// prune makes transitions to states without hope lead to Dead, and drops the states that nothing leads to then. Bytes
// from 0x80 on go there together: what is no UTF-8 stands for U+FFFD, which is one of the characters that they encode.
func (a *Automaton) prune() {
	hope := a.hopeful()
	if a.Start > Unsure && !hope[a.Start] {
		a.Start = Dead
	}
	for s := 3; s < a.Doubt; s++ {
		row, high := &a.Next[s], false
		for b, to := range row {
			if b >= 0x80 {
				high = high || hope[to]
			} else if !hope[to] && to != Unsure {
				row[b] = Dead
			}
		}
		if !high {
			clear(row[0x80:])
		}
	}
	a.compact()
}

// hopeful tells of each state whether a match can be reached from it.
func (a *Automaton) hopeful() []bool {
	hope := make([]bool, len(a.Next))
	from := make([][]uint16, len(a.Next))
	var todo []uint16
	for s := range a.Next {
		last := -1
		for _, to := range a.Next[s] {
			if int(to) != last {
				from[to] = append(from[to], uint16(s))
				last = int(to)
			}
		}
		if s == Match || s >= a.Accept && s < a.Doubt {
			hope[s] = true
			todo = append(todo, uint16(s))
		}
	}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, f := range from[s] {
			if !hope[f] {
				hope[f] = true
				todo = append(todo, f)
			}
		}
	}
	return hope
}

// compact drops states that nothing leads to.
func (a *Automaton) compact() {
	used := make([]bool, len(a.Next))
	used[Dead], used[Match], used[Unsure] = true, true, true
	used[a.Start] = true
	for todo := []int{a.Start}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range a.Next[s] {
			if !used[to] {
				used[to] = true
				todo = append(todo, int(to))
			}
		}
	}
	number := make([]uint16, len(a.Next)+1)
	n := uint16(0)
	for s := range a.Next {
		number[s] = n
		if used[s] {
			a.Next[n] = a.Next[s]
			n++
		}
	}
	number[len(a.Next)] = n
	a.Next = a.Next[:n]
	for s := range a.Next {
		for b, to := range a.Next[s] {
			a.Next[s][b] = number[to]
		}
	}
	a.Start, a.Accept, a.Doubt = int(number[a.Start]), int(number[a.Accept]), int(number[a.Doubt])
}

// Prefix returns the bytes that every text begins with that matches, and the state behind them. What begins otherwise
// does not match.
func (a *Automaton) Prefix() (text []byte, state int) {
	s := a.Start
	for s > Unsure && s < a.Accept && len(text) < len(a.Next) {
		only := -1
		for b, to := range a.Next[s] {
			if to == Dead {
				continue
			}
			if only >= 0 {
				return text, s
			}
			only = b
		}
		if only < 0 || a.Next[s][only] == Unsure {
			return text, s
		}
		text = append(text, byte(only))
		s = int(a.Next[s][only])
	}
	return text, s
}

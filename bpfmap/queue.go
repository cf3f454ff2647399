// Implements queue: first in, first out; and what it shares with stack.

package bpfmap

import "sync"

// list is a queue or stack. Programs get copies of its elements, so that it has no memory of theirs.
type list struct {
	unsupported
	m     *Local
	stack bool

	mu     sync.Mutex
	data   []byte // a ring of values
	first  int    // number of the oldest
	stored int
}

func newQueue(m *Local, _ *Options) impl { return newList(m, false) }

func newList(m *Local, stack bool) *list {
	return &list{m: m, stack: stack, data: zeros[byte](uint64(m.def.MaxEntries) * uint64(m.def.ValueSize))}
}

// at returns the value n places behind the oldest.
func (l *list) at(n int) []byte {
	size := int(l.m.def.ValueSize)
	i := (l.first + n) % int(l.m.def.MaxEntries) * size
	return l.data[i : i+size]
}

func (l *list) push(value []byte, flags uint64) Errno {
	if flags&updateNoExist != 0 || flags > updateExist {
		return EINVAL
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stored == int(l.m.def.MaxEntries) {
		if flags != updateExist {
			return E2BIG
		}
		l.first = (l.first + 1) % l.stored // the oldest makes room
		l.stored--
	}
	copy(l.at(l.stored), value)
	l.stored++
	return 0
}

// next value to be read, nil if there is none. The lock is held.
func (l *list) top() []byte {
	switch {
	case l.stored == 0:
		return nil
	case l.stack:
		return l.at(l.stored - 1)
	}
	return l.at(0)
}

func (l *list) get(out []byte, remove bool) Errno {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.top()
	if v == nil {
		clear(out)
		return ENOENT
	}
	copy(out, v)
	if remove {
		l.stored--
		if !l.stack {
			l.first = (l.first + 1) % int(l.m.def.MaxEntries)
		}
	}
	return 0
}

func (l *list) pop(out []byte) Errno                     { return l.get(out, true) }
func (l *list) peek(out []byte) Errno                    { return l.get(out, false) }
func (l *list) update([]byte, []byte, uint64, int) Errno { return EINVAL }
func (l *list) remove([]byte) Errno                      { return EINVAL }
func (l *list) next([]byte, []byte) Errno                { return EINVAL }

// contents returns all values in the order they would be read.
func (l *list) contents() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([][]byte, l.stored)
	for i := range out {
		n := i
		if l.stack {
			n = l.stored - 1 - i
		}
		out[i] = append([]byte(nil), l.at(n)...)
	}
	return out
}

func (l *list) restore(values [][]byte) Errno {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(values) > int(l.m.def.MaxEntries) {
		return E2BIG
	}
	l.first, l.stored = 0, len(values)
	for i, v := range values {
		n := i
		if l.stack {
			n = len(values) - 1 - i
		}
		copy(l.at(n), v)
	}
	return 0
}

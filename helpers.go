// Implements the helpers that a program can call: the standard ones, which all share, and its own.

package skep

import (
	"errors"
	"sync"

	"github.com/skepbpf/skep/helper"
)

// helperSet is helpers by number and by name. It does not change once it is made.
type helperSet struct {
	base   *helperSet // where to look for what is not here; nil: nowhere
	byID   map[int32]*helper.Helper
	byName map[string]int32
	kfuncs map[string]int32 // kernel functions, which have names of their own
}

// standardHelpers are those that every program can call.
var standardHelpers = sync.OnceValue(func() *helperSet {
	s := newHelperSet(nil)
	table := helper.Table()
	for i := range table {
		s.add(&table[i])
	}
	s.byID[missingKfunc], s.byID[poison] = &missing, &poisoned
	return s
})

func newHelperSet(base *helperSet) *helperSet {
	return &helperSet{base: base, byID: map[int32]*helper.Helper{}, byName: map[string]int32{}, kfuncs: map[string]int32{}}
}

func (s *helperSet) add(h *helper.Helper) {
	s.byID[h.ID] = h
	if h.Kfunc {
		s.kfuncs[h.Name] = h.ID
	} else {
		s.byName[h.Name] = h.ID
	}
}

// firstOwnKfunc is the first of the numbers that kernel functions get that only a program has, above all others.
const firstOwnKfunc = 0x200000

// helpersOf joins the standard helpers with a program's own.
func helpersOf(own []helper.Helper) (*helperSet, error) {
	if len(own) == 0 {
		return standardHelpers(), nil
	}
	s := newHelperSet(standardHelpers())
	var errs []error
	for i := range own {
		h := own[i]
		errs = append(errs, h.Check())
		if h.Kfunc {
			id, ok := s.kfunc(h.Name)
			if !ok {
				id = firstOwnKfunc + int32(i)
			}
			h.ID = id
		}
		s.add(&h)
	}
	return s, errors.Join(errs...)
}

// get returns the helper with a number, or nil.
func (s *helperSet) get(id int32) *helper.Helper {
	for ; s != nil; s = s.base {
		if h := s.byID[id]; h != nil {
			return h
		}
	}
	return nil
}

// provable returns the helper with a number as the verifier is to see it: those that stand for what is not there are
// none.
func (s *helperSet) provable(id int32) *helper.Helper {
	if id == missingKfunc || id == poison {
		return nil
	}
	return s.get(id)
}

// number returns the number of the helper with a name.
func (s *helperSet) number(name string) (int32, bool) {
	for ; s != nil; s = s.base {
		if id, ok := s.byName[name]; ok {
			return id, true
		}
	}
	return helper.ID(name)
}

// kfunc returns the number of the kernel function with a name.
func (s *helperSet) kfunc(name string) (int32, bool) {
	for ; s != nil; s = s.base {
		if id, ok := s.kfuncs[name]; ok {
			return id, true
		}
	}
	return 0, false
}

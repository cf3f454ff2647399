// Implements stand-ins for helpers in tests: they return what a test says and remember how they were called.

package helper

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Mock stands in for a helper in tests. It keeps the signature of the helper that it replaces, returns what When,
// Returns and Does say, and remembers its calls. It is safe for concurrent use.
//
//	now := helper.NewMock("ktime_get_ns").Returns(1, 2, 3)
//	send := helper.NewMock("ringbuf_output").Pass()
//	send.When(nil, "full").Returns(helper.Failure(11)) // -EAGAIN
//	prog, err := skep.Load(p, &skep.Options{Helpers: helper.Mocks(now, send)})
type Mock struct {
	mu     sync.Mutex
	helper Helper
	body   Func // of the helper that it stands for; nil if that has none in Go
	rules  []*MockRule
	other  MockRule // what happens where no rule fits
	calls  []MockCall
}

// MockCall is a call that a Mock has received.
type MockCall struct {
	Args   [MaxArgs]uint64 // R1 to R5; those that the helper has no arguments for hold anything
	Memory [MaxArgs][]byte // of arguments that are memory to read: a copy of its bytes
	Result uint64
	Err    error
}

// MockRule says what a Mock does. Its methods return it, so that calls can be chained.
type MockRule struct {
	mock    *Mock
	match   []Match
	results []uint64
	next    int
	does    Func
	err     error
	pass    bool
	called  int
}

// Match is a condition for an argument: it gets the register and, if the argument is memory that the helper reads, its
// bytes.
type Match func(arg uint64, memory []byte) bool

// AnyArg is a Match for everything.
func AnyArg(uint64, []byte) bool { return true }

// Bytes returns a Match for memory that begins with b.
func Bytes(b []byte) Match {
	want := slices.Clone(b)
	return func(_ uint64, memory []byte) bool {
		return len(memory) >= len(want) && slices.Equal(memory[:len(want)], want)
	}
}

// Text returns a Match for memory that holds s, at its start and up to a zero byte or its end.
func Text(s string) Match {
	return func(_ uint64, memory []byte) bool { return cString(memory) == s }
}

// NewMock returns a stand-in for the helper or kernel function with a name, with or without "bpf_". It returns 0 until
// it is told otherwise. It panics if there is no such helper.
func NewMock(name string) *Mock {
	id, ok := ID(name)
	if ok {
		for _, h := range table {
			if h.ID == id {
				return MockOf(h)
			}
		}
		if n, known := Name(id); known {
			return MockOf(Helper{ID: id, Name: n})
		}
	}
	panic(fmt.Sprintf("there is no helper %q", name))
}

// MockOf returns a stand-in for a helper of one's own.
func MockOf(h Helper) *Mock {
	m := &Mock{helper: h, body: h.Func}
	m.other.mock = m
	m.helper.Args = slices.Clone(h.Args)
	m.helper.Func, m.helper.Program, m.helper.Native, m.helper.Inline = m.call, nil, 0, NoInline
	return m
}

// Mocks returns the helpers of mocks, for Options.Helpers of package skep.
func Mocks(mocks ...*Mock) []Helper {
	var out []Helper
	for _, m := range mocks {
		out = append(out, m.Helper())
	}
	return out
}

// Helper returns the helper, to be given to Options.Helpers of package skep.
func (m *Mock) Helper() Helper { return m.helper }

// When returns a rule for calls whose arguments are these: an integer for the value of a register, a Match, a []byte or
// string for memory (see Bytes and Text), or nil for anything. Arguments that are not given may be anything. Later
// rules come first. It panics on values of other types.
func (m *Mock) When(args ...any) *MockRule {
	r := &MockRule{mock: m}
	for i, a := range args {
		if i >= MaxArgs {
			panic(fmt.Sprintf("%d arguments, and helpers have at most %d", len(args), MaxArgs))
		}
		r.match = append(r.match, matchOf(a))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rules = append(m.rules, r)
	return r
}

func matchOf(a any) Match {
	number := func(n uint64) Match { return func(arg uint64, _ []byte) bool { return arg == n } }
	switch a := a.(type) {
	case nil:
		return AnyArg
	case Match:
		return a
	case func(uint64, []byte) bool:
		return a
	case []byte:
		return Bytes(a)
	case string:
		return Text(a)
	case int:
		return number(uint64(a))
	case int32:
		return number(uint64(a))
	case uint32:
		return number(uint64(a))
	case int64:
		return number(uint64(a))
	case uint64:
		return number(a)
	}
	panic(fmt.Sprintf("a %T is no condition for an argument", a))
}

// Returns sets the results where no rule fits: one after the other, then the last one again and again.
func (m *Mock) Returns(results ...uint64) *Mock { m.other.Returns(results...); return m }

// Does sets what is called where no rule fits.
func (m *Mock) Does(f Func) *Mock { m.other.Does(f); return m }

// Fails sets the error that ends the run where no rule fits.
func (m *Mock) Fails(err error) *Mock { m.other.Fails(err); return m }

// Pass has calls that no rule fits go to the helper that is replaced.
func (m *Mock) Pass() *Mock { m.other.Pass(); return m }

// Failure returns an error number of Linux as helpers return it: Failure(22) is -EINVAL.
func Failure(errno int) uint64 { return uint64(-int64(errno)) }

// Returns sets the results: one after the other, then the last one again and again.
func (r *MockRule) Returns(results ...uint64) *MockRule {
	return r.set(func() { r.results, r.next, r.does, r.pass = slices.Clone(results), 0, nil, false })
}

// Does sets a function to call.
func (r *MockRule) Does(f Func) *MockRule { return r.set(func() { r.does, r.pass = f, false }) }

// Fails sets an error, which ends the run.
func (r *MockRule) Fails(err error) *MockRule { return r.set(func() { r.err = err }) }

// Pass has the calls go to the helper that is replaced.
func (r *MockRule) Pass() *MockRule { return r.set(func() { r.pass, r.does = true, nil }) }

func (r *MockRule) set(f func()) *MockRule {
	r.mock.mu.Lock()
	defer r.mock.mu.Unlock()
	f()
	return r
}

// Count returns how many calls the rule has answered.
func (r *MockRule) Count() int {
	r.mock.mu.Lock()
	defer r.mock.mu.Unlock()
	return r.called
}

// Calls returns the calls so far, in order.
func (m *Mock) Calls() []MockCall {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// Reset forgets the calls.
func (m *Mock) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = nil
}

// call is the body.
func (m *Mock) call(c *Call, r1, r2, r3, r4, r5 uint64) (uint64, error) {
	made := MockCall{Args: [MaxArgs]uint64{r1, r2, r3, r4, r5}}
	m.read(c, &made)
	m.mu.Lock()
	r := &m.other
	for i := len(m.rules) - 1; i >= 0; i-- {
		if m.rules[i].fits(&made) {
			r = m.rules[i]
			break
		}
	}
	r.called++
	does, err := r.does, r.err
	if r.pass {
		does = m.body
	}
	if does == nil && len(r.results) > 0 {
		made.Result = r.results[r.next]
		r.next = min(r.next+1, len(r.results)-1)
	}
	m.mu.Unlock()
	switch {
	case err != nil:
		made.Err = err
	case does != nil:
		made.Result, made.Err = does(c, r1, r2, r3, r4, r5)
	}
	m.mu.Lock()
	m.calls = append(m.calls, made)
	m.mu.Unlock()
	return made.Result, made.Err
}

func (r *MockRule) fits(made *MockCall) bool {
	for i, match := range r.match {
		if !match(made.Args[i], made.Memory[i]) {
			return false
		}
	}
	return true
}

// read copies the memory that arguments point to.
func (m *Mock) read(c *Call, made *MockCall) {
	var of uint64 // the map before
	for i, a := range m.helper.Args {
		size := int(a.FixedSize())
		switch a.Kind() {
		case MapRef:
			of = made.Args[i]
			continue
		case Mem:
			if size == 0 && i+1 < MaxArgs {
				size = int(uint32(made.Args[i+1]))
			}
		case MapKey, MapValue:
			l := c.Map(of)
			if l == nil {
				continue
			}
			if size = int(l.KeySize()); a.Kind() == MapValue {
				size = int(l.ValueSize())
			}
		case ConstString:
			if b, err := c.constString(made.Args[i]); err == nil {
				made.Memory[i] = b
			}
			continue
		default:
			continue
		}
		if b, err := c.Bytes(made.Args[i], size, false); err == nil {
			made.Memory[i] = slices.Clone(b)
		}
	}
}

// String lists the calls, a line each.
func (m *Mock) String() string {
	var s strings.Builder
	for _, c := range m.Calls() {
		s.WriteString(m.helper.Name + "(")
		for i := range m.helper.Args {
			if i > 0 {
				s.WriteString(", ")
			}
			if b := c.Memory[i]; b != nil {
				fmt.Fprintf(&s, "%q", b)
			} else {
				fmt.Fprintf(&s, "%#x", c.Args[i])
			}
		}
		fmt.Fprintf(&s, ") = %d\n", int64(c.Result))
	}
	return s.String()
}

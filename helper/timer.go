// Implements timers and work queues: functions that a map's value asks to be called later.

package helper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// errLater is the error of a run that cannot have functions called later.
var errLater = errors.New("functions cannot be called after this run")

// asyncSerial numbers the timers and work queues of the process. The number stands in the first 8 bytes of the
// field: it tells those of an element from those that an earlier element had at the same place.
var asyncSerial atomic.Uint64

// asyncs are the timers and work queues of a map, by their offset in its memory.
type asyncs struct {
	mu sync.Mutex
	at map[int]*async
}

type asyncsKey struct{}

func asyncsOf(m *bpfmap.Local) *asyncs {
	return m.Attach(asyncsKey{}, func() any { return &asyncs{at: map[int]*async{}} }).(*asyncs)
}

// async is a timer or work queue. Its map's asyncs guard it.
type async struct {
	serial  uint64
	value   int    // offset of the map's value
	clock   uint64 // CLOCK_ number
	call    func() error
	alarm   *alarm
	running bool
	failed  func(error)
}

// The clocks that timers can go by, by their numbers.
const (
	clockRealtime  = 0
	clockMonotonic = 1
	clockBoottime  = 7
)

// field is a special field of a value that an address is the address of.
type asyncField struct {
	m    *bpfmap.Local
	off  int // of the field in the map's memory
	base int // of the value
	word []byte
	all  *asyncs
}

// async finds the field of a kind at an address.
func (c *Call) async(addr uint64, kind spec.FieldKind) (asyncField, error) {
	m, off := c.MapAt(addr)
	if m == nil {
		return asyncField{}, fmt.Errorf("%#x is in no map", addr)
	}
	for _, f := range m.Spec().Fields {
		if f.Kind == kind {
			word, err := c.Bytes(addr, 8, true)
			return asyncField{m, off, off - int(f.Offset), word, asyncsOf(m)}, err
		}
	}
	return asyncField{}, fmt.Errorf("values of map %q have no %s", m.Spec().Name, kind)
}

// find returns the field's timer or work queue; nil if it was not made. f.all is locked.
func (f *asyncField) find() *async {
	if a := f.all.at[f.off]; a != nil && a.serial == binary.LittleEndian.Uint64(f.word) {
		return a
	}
	return nil
}

// init makes a timer or work queue.
func (c *Call) asyncInit(addr uint64, kind spec.FieldKind, clock uint64) (errno, error) {
	f, err := c.async(addr, kind)
	if err != nil {
		return 0, err
	}
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	if f.find() != nil {
		return eBUSY, nil
	}
	if old := f.all.at[f.off]; old != nil {
		old.cancel()
	}
	a := &async{serial: asyncSerial.Add(1), value: f.base, clock: clock}
	f.all.at[f.off] = a
	binary.LittleEndian.PutUint64(f.word, a.serial)
	return 0, nil
}

// asyncCallback says which function is to be called.
func (c *Call) asyncCallback(addr uint64, kind spec.FieldKind, function uint64) (errno, error) {
	f, err := c.async(addr, kind)
	if err != nil {
		return 0, err
	}
	if c.Later == nil {
		return 0, errLater
	}
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	a := f.find()
	if a == nil {
		return eINVAL, nil
	}
	later, m, value := c.Later, f.m, f.base
	a.call = func() error {
		key, ok := keyAt(m, value)
		if !ok {
			return nil // the element is gone
		}
		return later(function, m, key, value)
	}
	if c.Env != nil {
		a.failed = c.Env.Failed
	}
	return 0, nil
}

// asyncStart has the function called in a while. wait computes how long, nanoseconds.
func (c *Call) asyncStart(addr uint64, kind spec.FieldKind, wait func(a *async) uint64) (errno, error) {
	f, err := c.async(addr, kind)
	if err != nil {
		return 0, err
	}
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	a := f.find()
	if a == nil || a.call == nil {
		return eINVAL, nil
	}
	if a.alarm != nil {
		if kind == spec.WorkQueue {
			return 0, nil // it waits already
		}
		a.alarm.stop()
	}
	var mine *alarm
	all := f.all
	mine = c.Env.after(wait(a), func() { all.fire(a, &mine) })
	a.alarm = mine
	return 0, nil
}

// fire calls the function of a timer or work queue, unless the alarm is not its own any more.
func (l *asyncs) fire(a *async, mine **alarm) {
	l.mu.Lock()
	if a.alarm == nil || a.alarm != *mine || a.call == nil {
		l.mu.Unlock()
		return
	}
	call, failed := a.call, a.failed
	a.alarm, a.running = nil, true
	l.mu.Unlock()
	err := call()
	l.mu.Lock()
	a.running = false
	l.mu.Unlock()
	if err != nil && failed != nil {
		failed(err)
	}
}

// cancel ends what waits, and reports whether something did.
func (a *async) cancel() bool {
	was := a.alarm != nil && a.alarm.stop()
	a.alarm, a.call = nil, nil
	return was
}

// cancelAsync ends the timers and work queues of a value that goes or is overwritten.
func cancelAsync(m *bpfmap.Local, value int) {
	all := asyncsOf(m)
	all.mu.Lock()
	defer all.mu.Unlock()
	for off, a := range all.at {
		if a.value == value {
			a.cancel()
			delete(all.at, off)
			clear(m.Memory()[off : off+8])
		}
	}
}

// hasAsync reports whether values of a map can have timers or work queues.
func hasAsync(m *bpfmap.Local) bool {
	for _, f := range m.Spec().Fields {
		if f.Kind == spec.Timer || f.Kind == spec.WorkQueue {
			return true
		}
	}
	return false
}

// keyAt returns the key of the value at an offset of a map's memory.
func keyAt(m *bpfmap.Local, value int) ([]byte, bool) {
	def := m.Spec()
	if def.Type == spec.Array {
		key := binary.LittleEndian.AppendUint32(nil, uint32(value/int((def.ValueSize+7)&^7)))
		off, ok := m.LookupOffset(key, 0)
		return key, ok && off == value
	}
	var key []byte
	m.ForEach(0, func(k []byte, off int) bool {
		if off == value {
			key = append([]byte(nil), k...)
		}
		return off == value
	})
	return key, key != nil
}

var laterCallback = &Callback{Args: [MaxArgs]CallbackArg{CallbackMap, CallbackKey, CallbackValue}, Later: true}

// Flags of bpf_timer_start.
const (
	timerAbsolute = 1
	timerPinned   = 2
)

var timers = []Helper{
	{ID: 169, Name: "timer_init", GPL: true, Args: []Arg{TimerField, MapRef, Any}, Func: func(c *Call, timer, _, flags, _, _ uint64) (uint64, error) {
		if flags != clockRealtime && flags != clockMonotonic && flags != clockBoottime {
			return eINVAL.result()
		}
		return orErrno(c.asyncInit(timer, spec.Timer, flags))
	}},
	{ID: 170, Name: "timer_set_callback", GPL: true, Args: []Arg{TimerField, Function}, Callback: laterCallback,
		Func: func(c *Call, timer, function, _, _, _ uint64) (uint64, error) {
			return orErrno(c.asyncCallback(timer, spec.Timer, function))
		}},
	{ID: 171, Name: "timer_start", GPL: true, Args: []Arg{TimerField, Any, Any}, Func: func(c *Call, timer, ns, flags, _, _ uint64) (uint64, error) {
		if flags&^(timerAbsolute|timerPinned) != 0 {
			return eINVAL.result()
		}
		return orErrno(c.asyncStart(timer, spec.Timer, func(a *async) uint64 {
			if flags&timerAbsolute == 0 {
				return ns
			}
			return c.Env.until(a.clock, ns)
		}))
	}},
	{ID: 172, Name: "timer_cancel", GPL: true, Args: []Arg{TimerField}, Func: timerCancel},
}

// until returns how long it is until a clock shows a time, 0 if it does or has.
func (e *Env) until(clock, at uint64) uint64 {
	now := e.now()
	switch {
	case clock == clockRealtime:
		now = e.tai() // the difference of some seconds is nowhere set
	case clock == clockBoottime && e != nil:
		now += uint64(e.Boot)
	}
	if at <= now {
		return 0
	}
	return at - now
}

// timerCancel stops a timer and returns whether it was waiting. It does not wait for a call that is under way: like the
// kernel's in the timer's own function, it says that this would never end.
func timerCancel(c *Call, timer, _, _, _, _ uint64) (uint64, error) {
	f, err := c.async(timer, spec.Timer)
	if err != nil {
		return 0, err
	}
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	a := f.find()
	switch {
	case a == nil:
		return eINVAL.result()
	case a.running:
		return eDEADLK.result()
	}
	return isTrue(a.cancel()), nil
}

// orErrno joins the results of functions that have both kinds of errors.
func orErrno(e errno, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return e.result()
}

func orErrno32(e errno, err error) (uint64, error) {
	if err != nil {
		return 0, err
	}
	return e.result32()
}

var workQueues = []Helper{
	{Name: "bpf_wq_init", Kfunc: true, Args: []Arg{WorkField, MapRef, Any}, Func: func(c *Call, wq, _, flags, _, _ uint64) (uint64, error) {
		if uint32(flags) != 0 {
			return eINVAL.result32()
		}
		return orErrno32(c.asyncInit(wq, spec.WorkQueue, clockMonotonic))
	}},
	{Name: "bpf_wq_set_callback_impl", Kfunc: true, Args: []Arg{WorkField, Function, Any, Any | Ignored}, Callback: laterCallback,
		Func: func(c *Call, wq, function, flags, _, _ uint64) (uint64, error) {
			if uint32(flags) != 0 {
				return eINVAL.result32()
			}
			return orErrno32(c.asyncCallback(wq, spec.WorkQueue, function))
		}},
	{Name: "bpf_wq_start", Kfunc: true, Args: []Arg{WorkField, Any}, Func: func(c *Call, wq, flags, _, _, _ uint64) (uint64, error) {
		if uint32(flags) != 0 {
			return eINVAL.result32()
		}
		return orErrno32(c.asyncStart(wq, spec.WorkQueue, func(*async) uint64 { return 0 }))
	}},
}

// Implements waiting for what programs hand to Go code.

package bpfmap

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Wait waits until a program says that there is something to read in a ring buffer or event array, or until
// ctx ends. It may return early. It returns ctx.Err(), or ENOTSUPP for other types.
func (m *Local) Wait(ctx context.Context) error {
	switch x := m.impl.(type) {
	case *ring:
		return x.wait.wait(ctx, x.readable)
	case *eventArray:
		return x.wait.wait(ctx, x.readable)
	}
	return ENOTSUPP
}

// waiter lets readers sleep until they are woken. Waking costs a look if nobody sleeps.
type waiter struct {
	sleeping atomic.Int32
	mu       sync.Mutex
	ch       chan struct{} // closed by wake
}

func (w *waiter) wait(ctx context.Context, ready func() bool) error {
	w.sleeping.Add(1)
	defer w.sleeping.Add(-1)
	w.mu.Lock()
	if w.ch == nil {
		w.ch = make(chan struct{})
	}
	ch := w.ch
	w.mu.Unlock()
	if ready() {
		return ctx.Err()
	}
	select {
	case <-ch:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func (w *waiter) wake() {
	if w.sleeping.Load() == 0 {
		return
	}
	w.mu.Lock()
	if w.ch != nil {
		close(w.ch)
		w.ch = nil
	}
	w.mu.Unlock()
}

// Interrupt is what readers of ring buffers and event arrays share: how waiting for a program ends. The zero
// value is ready. It is safe for concurrent use.
type Interrupt struct {
	mu      sync.Mutex
	cancel  context.CancelFunc // ends the Wait that is going on
	closed  bool
	flushed bool
}

// Wait waits for something to read in m, until the deadline if it is not zero. It returns
// os.ErrDeadlineExceeded after the deadline, nil for every other reason to look again.
func (i *Interrupt) Wait(m *Local, deadline time.Time) error {
	ctx, cancel := context.WithCancel(context.Background())
	if !deadline.IsZero() {
		ctx, cancel = context.WithDeadline(context.Background(), deadline)
	}
	defer cancel()
	i.mu.Lock()
	if i.closed || i.flushed {
		i.mu.Unlock()
		return nil
	}
	i.cancel = cancel
	i.mu.Unlock()
	if m.Wait(ctx) == context.DeadlineExceeded {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (i *Interrupt) set(flag *bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	*flag = true
	if i.cancel != nil {
		i.cancel()
	}
}

// Close ends the waiting for good.
func (i *Interrupt) Close() { i.set(&i.closed) }

// Closed reports whether Close was called.
func (i *Interrupt) Closed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.closed
}

// Flush ends the waiting once.
func (i *Interrupt) Flush() { i.set(&i.flushed) }

// Flushed reports whether Flush was called since the last time.
func (i *Interrupt) Flushed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	was := i.flushed
	i.flushed = false
	return was
}

// Implements the tests of waiting, cancelling and closing, and of the ring's limits.

package live

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// soon bounds how long it usually takes that an end is noticed.
const soon = 100 * time.Millisecond

func TestCancel(t *testing.T) {
	ownNetwork(t)
	c, s := mustOpen(t, "lo", Options{}), newSender(t)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := c.Next(done); !errors.Is(err, context.Canceled) {
		t.Errorf("before: got %v", err)
	}
	var all []time.Duration
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		var at time.Time
		time.AfterFunc(20*time.Millisecond, func() { at = time.Now(); cancel() })
		_, _, err := c.Next(ctx)
		all = append(all, time.Since(at))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	slices.Sort(all)
	if all[len(all)/2] > soon {
		t.Errorf("it takes %v", all)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := c.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	time.AfterFunc(30*time.Millisecond, func() { s.conn.WriteTo([]byte("late"), s.conn.LocalAddr()) })
	packets, _, err := c.Next(t.Context())
	if err != nil || len(packets) != 1 || !bytes.HasSuffix(packets[0], []byte("late")) {
		t.Errorf("after: got %q, %v", packets, err)
	}
}

func TestCloseDuringNext(t *testing.T) {
	ownNetwork(t)
	for range 20 {
		c := mustOpen(t, "lo", Options{Buffer: 1})
		failed := make(chan error)
		go func() {
			_, _, err := c.Next(context.Background())
			failed <- err
		}()
		time.Sleep(time.Millisecond)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-failed:
			if !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), `"lo"`) {
				t.Errorf("got %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("Next does not return")
		}
		if err := c.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("second Close: got %v", err)
		}
		if _, _, err := c.Next(context.Background()); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Next after Close: got %v", err)
		}
	}
}

// TestCloseUnderTraffic closes while another goroutine looks at packets: they must stay what they are.
func TestCloseUnderTraffic(t *testing.T) {
	ownNetwork(t)
	payload := bytes.Repeat([]byte{0xa5}, 1000)
	s := newSender(t)
	for range 30 {
		c := mustOpen(t, "lo", Options{SnapLen: 2000, Buffer: 1 << 20})
		var readers sync.WaitGroup
		started := make(chan bool, 1)
		readers.Add(1)
		go func() {
			defer readers.Done()
			for {
				packets, _, err := c.Next(context.Background())
				if err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					return
				}
				select {
				case started <- true:
				default:
				}
				for range 50 {
					for _, p := range packets {
						if !bytes.HasSuffix(p, payload) {
							t.Errorf("% x", p)
							return
						}
					}
				}
			}
		}()
		for running := true; running; {
			for range 50 {
				s.send(t, s.port(), payload)
			}
			select {
			case <-started:
				running = false
			default:
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		readers.Wait()
		if c.ring != nil {
			t.Error("the ring is still mapped")
		}
	}
}

func TestPacketsStayAfterClose(t *testing.T) {
	ownNetwork(t)
	c, s := mustOpen(t, "lo", Options{}), newSender(t)
	s.send(t, s.port(), []byte("stay"))
	packets, _, err := c.Next(t.Context())
	if err != nil || len(packets) != 1 {
		t.Fatal(packets, err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(packets[0], []byte("stay")) {
		t.Errorf("got %q", packets[0])
	}
	if stats, err := c.Stats(); err != nil || stats.Received != 1 {
		t.Errorf("got %+v, %v", stats, err)
	}
	c.Release()
	if c.ring != nil {
		t.Error("the ring is still mapped")
	}
	c.Release()
}

// TestFull lets a small ring run over: what was captured, and what is counted as dropped, is what was sent.
func TestFull(t *testing.T) {
	ownNetwork(t)
	opts := Options{SnapLen: 200, Buffer: 1}
	c, s := mustOpen(t, "lo", opts), newSender(t)
	if want := 2 * minBlock; len(c.ring) != want {
		t.Errorf("the ring has %d bytes, want %d", len(c.ring), want)
	}
	const sent = 5000
	for i := range sent {
		s.send(t, s.port(), binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	got := collect(t, c, 1)
	stats, err := c.Stats()
	if err != nil || stats.Received != sent || stats.Dropped == 0 || len(got) != int(sent-stats.Dropped) {
		t.Errorf("captured %d, %+v, %v, want %d in all", len(got), stats, err, sent)
	}
	s.send(t, s.port(), []byte("again"))
	if got := collect(t, c, 1); len(got) != 1 || !bytes.HasSuffix(got[0].data, []byte("again")) {
		t.Errorf("after the ring was full: got %v", got)
	}
}

// TestManyRounds goes around a small ring many times, in which every packet must be there once and in order. On a busy
// machine some may be dropped; then they are counted.
func TestManyRounds(t *testing.T) {
	ownNetwork(t)
	c, s := mustOpen(t, "lo", Options{SnapLen: 1500, Buffer: 1 << 20}), newSender(t)
	const sent, ahead = 20_000, 400 // packets; as many as the sender may be ahead fit the ring
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var numbers []uint64
	var read atomic.Int64
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			packets, infos, err := c.Next(ctx)
			if errors.Is(err, context.Canceled) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			for i, p := range packets {
				if infos[i].WireLen != len(p) {
					t.Errorf("%d bytes of %d", len(p), infos[i].WireLen)
				}
				numbers = append(numbers, binary.BigEndian.Uint64(p[42:]))
			}
			read.Add(int64(len(packets)))
		}
	})
	dropped := 0
	await := func(n int) {
		for start := time.Now(); int(read.Load())+dropped < n; time.Sleep(time.Millisecond) {
			stats, err := c.Stats()
			if err != nil {
				t.Fatal(err)
			}
			dropped = int(stats.Dropped)
			if time.Since(start) > 10*time.Second {
				t.Fatalf("%d packets read, %+v, want %d: a block is ready: %v", read.Load(), stats, n, c.ready())
			}
		}
	}
	for i := range sent {
		await(i - ahead)
		s.send(t, s.port(), append(binary.BigEndian.AppendUint64(nil, uint64(i)), make([]byte, i%1000)...))
	}
	await(sent)
	cancel()
	reader.Wait()
	stats, err := c.Stats()
	if err != nil || stats.Received != sent || len(numbers) != int(sent-stats.Dropped) {
		t.Errorf("%d packets, %+v, %v, want %d in all", len(numbers), stats, err, sent)
	}
	for i, n := range numbers {
		if i > 0 && n <= numbers[i-1] || stats.Dropped == 0 && n != uint64(i) {
			t.Fatalf("packet %d of the capture has the number %d", i, n)
		}
	}
	if stats.Dropped > 0 {
		t.Logf("%d packets were dropped", stats.Dropped)
	}
}

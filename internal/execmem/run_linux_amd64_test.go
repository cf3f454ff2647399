package execmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skepbpf/skep/internal/jit/cabi"
)

// returns is code that returns v, at the end of size bytes.
func returns(v uint32, size int) []byte {
	code := make([]byte, max(size, 6))
	for i := range code {
		code[i] = 0x90 // nop
	}
	at := code[len(code)-6:]
	at[0] = 0xb8 // mov eax, v
	binary.LittleEndian.PutUint32(at[1:], v)
	at[5] = 0xc3 // ret
	return code
}

func TestRun(t *testing.T) {
	for i, size := range []int{6, 100, pageSize - 1, pageSize, pageSize + 1, 3 * pageSize, arenaSize + 1} {
		c := mustNew(t, returns(uint32(i), size))
		if got := cabi.Call(c.Addr()); got != uint64(i) {
			t.Errorf("%d bytes return %d, expected %d", size, got, i)
		}
	}
}

// TestConcurrent runs code that stays while other code of the same arenas comes, runs and goes.
func TestConcurrent(t *testing.T) {
	const stays, makers, rounds, held = 50, 4, 400, 40
	codes := make([]*Code, stays)
	for i := range codes {
		codes[i] = mustNew(t, returns(uint32(i), 0))
	}
	var done atomic.Bool
	var makersDone, runnersDone sync.WaitGroup
	for range 2 {
		runnersDone.Go(func() {
			for !done.Load() {
				for i, c := range codes {
					if got := cabi.Call(c.Addr()); got != uint64(i) {
						t.Errorf("program %d returns %d", i, got)
						return
					}
				}
			}
		})
	}
	for m := range makers {
		makersDone.Go(func() {
			if err := comeAndGo(uint32(1000*(m+1)), rounds, held); err != nil {
				t.Error(err)
			}
		})
	}
	for range 20 {
		anonCode(t)
	}
	makersDone.Wait()
	done.Store(true)
	runnersDone.Wait()
	wantArenas(t, 1)
	mustClose(t, codes...)
	wantArenas(t, 0)
}

// comeAndGo makes programs, holds some of them, and runs each before it closes it.
func comeAndGo(base uint32, rounds, held int) error {
	type program struct {
		*Code
		result uint32
	}
	var have []program
	end := func(p program) error {
		if got := cabi.Call(p.Addr()); got != uint64(p.result) {
			return errors.Join(fmt.Errorf("program %d returns %d", p.result, got), p.Close())
		}
		return p.Close()
	}
	for i := range rounds {
		result := base + uint32(i)
		c, err := New(returns(result, i%7*pageSize/2), nil)
		if err != nil {
			return err
		}
		have = append(have, program{c, result})
		if len(have) > held {
			at := i * 31 % held
			if err := end(have[at]); err != nil {
				return err
			}
			have = append(have[:at], have[at+1:]...)
		}
	}
	for _, p := range have {
		if err := end(p); err != nil {
			return err
		}
	}
	return nil
}

// TestConcurrentClose closes each program from two sides at once.
func TestConcurrentClose(t *testing.T) {
	var wg sync.WaitGroup
	for range 300 {
		c, err := New(returns(1, 0), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			wg.Go(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	wantArenas(t, 0)
}

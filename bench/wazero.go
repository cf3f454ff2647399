// Implements WebAssembly by wazero's compiler.

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// newWazero returns a runtime that compiles. The library panics where its compiler does not work.
func newWazero(ctx context.Context) (r wazero.Runtime, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("no compiler for this machine: %v", e)
		}
	}()
	return wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler()), nil
}

func wazeroFunc(p *program) (*contender, error) {
	ctx := context.Background()
	r, err := newWazero(ctx)
	if err != nil {
		return nil, err
	}
	m, err := r.Instantiate(ctx, p.wasm)
	if err != nil {
		r.Close(ctx)
		return nil, err
	}
	run, heap := m.ExportedFunction("run"), m.ExportedGlobal("__heap_base")
	if run == nil || heap == nil {
		r.Close(ctx)
		return nil, errors.New("the module lacks run or __heap_base")
	}
	base, stack := uint32(heap.Get()+63)&^63, make([]uint64, 2)
	once := func() error {
		m.Memory().Write(base, p.memory)
		stack[0], stack[1] = uint64(base), uint64(len(p.memory))
		return run.CallWithStack(ctx, stack)
	}
	return &contender{
		result: func() ([]byte, error) {
			if err := once(); err != nil {
				return nil, err
			}
			r0 := stack[0]
			memory, ok := m.Memory().Read(base, uint32(len(p.memory)))
			if !ok {
				return nil, fmt.Errorf("%d bytes at %#x are outside the module's memory", len(p.memory), base)
			}
			return outcome(r0, memory), nil
		},
		lap: batches(func(n int) {
			for range n {
				once()
			}
		}),
		close: func() { r.Close(ctx) },
	}, nil
}

// wazeroCalls is the module of harness/calls.c: an empty function, and a loop with and without calls of a Go
// function that returns its argument.
type wazeroCalls struct{ empty, calls, loop api.Function }

func loadWazeroCalls(ctx context.Context, wasm []byte) (*wazeroCalls, error) {
	r, err := newWazero(ctx)
	if err != nil {
		return nil, err
	}
	word := []api.ValueType{api.ValueTypeI64}
	_, err = r.NewHostModuleBuilder("bench").NewFunctionBuilder().
		WithGoFunction(api.GoFunc(func(context.Context, []uint64) {}), word, word).Export("host").Instantiate(ctx)
	if err != nil {
		return nil, err
	}
	m, err := r.Instantiate(ctx, wasm)
	if err != nil {
		return nil, err
	}
	c := &wazeroCalls{m.ExportedFunction("empty"), m.ExportedFunction("calls"), m.ExportedFunction("loop")}
	if c.empty == nil || c.calls == nil || c.loop == nil {
		return nil, errors.New("the module lacks empty, calls or loop")
	}
	return c, nil
}

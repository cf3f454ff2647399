// Implements samplers: one in so many of the records of which a predicate holds.

package event

import "fmt"

// Sampler takes one in so many of the records of which a predicate holds, the first of every so many: of all such records,
// or of those with the same values of some fields. There is no chance in it: the same records in the same order give the
// same sample, and of n records it takes n/every, rounded up, on however many goroutines. It is safe for concurrent use,
// without locks.
type Sampler struct{ c *Counter }

// maxEvery bounds what a sampler leaves out.
const maxEvery = 1<<31 - 1

// CompileSampler compiles a sampler that takes one in every (1 to 2147483647) of the records of which when holds. With by, it
// takes one in every of those with the same values; what these may be, and max, is as with CompileCounter: records with
// values beyond are not taken (Lost).
func CompileSampler(s *Schema, when Expr, every int, by []Expr, max int, opts *Options) (*Sampler, error) {
	if every < 1 || every > maxEvery {
		return nil, fmt.Errorf("a sampler of one in %d records: it may be one in 1 to %d", every, maxEvery)
	}
	c, err := compileCounter(s, when, by, max, uint64(every), opts)
	if err != nil {
		return nil, err
	}
	return &Sampler{c}, nil
}

// Take reports whether a record that is bytes is one to take. It does not allocate.
func (s *Sampler) Take(rec []byte) bool { return s.c.Count(rec) }

// Seen returns of how many records the predicate held.
func (s *Sampler) Seen() uint64 { return s.c.Total() + s.c.Lost() }

// Counts returns of how many records the predicate held, by their values, the greatest count first.
func (s *Sampler) Counts() []Count { return s.c.Counts() }

// Lost returns how many records were not taken because there was no room for another key.
func (s *Sampler) Lost() uint64 { return s.c.Lost() }

// SamplerOf is a sampler of Go structs of type T. It is safe for concurrent use.
type SamplerOf[T any] struct{ *Sampler }

// CompileSamplerFor compiles a sampler of records that are Go structs of type T; see CompileSampler.
func CompileSamplerFor[T any](when Expr, every int, by []Expr, max int, opts *Options) (*SamplerOf[T], error) {
	schema, err := SchemaFor[T]()
	if err != nil {
		return nil, err
	}
	s, err := CompileSampler(schema, when, every, by, max, opts)
	if err != nil {
		return nil, err
	}
	return &SamplerOf[T]{s}, nil
}

// Take reports whether a record is one to take. It does not allocate, and keeps no reference to the record.
func (s *SamplerOf[T]) Take(rec *T) bool { return (&CounterOf[T]{s.c}).Count(rec) }

// Implements stack_trace: call stacks, found by a number made from what is in them.

package bpfmap

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
)

// Flags of StackID, as the kernel's UAPI has them.
const (
	StackSkipMask = 0xff    // BPF_F_SKIP_FIELD_MASK: frames to leave out
	StackUser     = 1 << 8  // BPF_F_USER_STACK
	StackFastCmp  = 1 << 9  // BPF_F_FAST_STACK_CMP: take stacks with the same hash for the same
	StackReuse    = 1 << 10 // BPF_F_REUSE_STACKID: replace another stack that has the number
)

// buildIDSize is the size of struct bpf_stack_build_id; its address is at buildIDAddress, and the status buildIDNone
// at its start says that nothing else is known.
const (
	buildIDSize    = 32
	buildIDAddress = 24
	buildIDNone    = 2 // BPF_STACK_BUILD_ID_IP
)

type stackTraces struct {
	unsupported
	m       *Local
	buckets []atomic.Pointer[trace]
	frame   int // bytes a frame
	seed    uint64
}

type trace struct {
	hash   uint32
	frames []uint64
}

func newStackTrace(m *Local, o *Options) impl {
	s := &stackTraces{m: m, buckets: make([]atomic.Pointer[trace], powerAbove(uint64(m.def.MaxEntries))), frame: 8, seed: seedOf(o)}
	if m.def.Flags&flagStackBuildID != 0 {
		s.frame = buildIDSize
	}
	return s
}

// StackID stores a call stack, innermost frame first, and returns its number, as bpf_get_stackid does with
// the current one; or the negative of an Errno: EFAULT if no frame is left after those to skip, EEXIST if another
// stack has the number already.
func (m *Local) StackID(frames []uint64, flags uint64) int64 {
	s, ok := m.impl.(*stackTraces)
	if !ok || flags&^(StackSkipMask|StackUser|StackFastCmp|StackReuse) != 0 {
		return -int64(EINVAL)
	}
	skip := int(flags & StackSkipMask)
	if len(frames) <= skip {
		return -int64(EFAULT)
	}
	frames = frames[skip:]
	frames = frames[:min(len(frames), int(m.def.ValueSize)/s.frame)]
	h := s.seed
	for _, f := range frames {
		h = mix(h ^ f)
	}
	t := &trace{hash: uint32(h)}
	id := t.hash & uint32(len(s.buckets)-1)
	if old := s.buckets[id].Load(); old != nil {
		same := old.hash == t.hash && (flags&StackFastCmp != 0 || slices.Equal(old.frames, frames))
		switch {
		case same:
			return int64(id)
		case flags&StackReuse == 0:
			return -int64(EEXIST)
		}
	}
	t.frames = slices.Clone(frames)
	s.buckets[id].Store(t)
	return int64(id)
}

// Stack returns the frames of a stack by its number, innermost first.
func (m *Local) Stack(id uint32) ([]uint64, bool) {
	s, ok := m.impl.(*stackTraces)
	if !ok || id >= uint32(len(s.buckets)) {
		return nil, false
	}
	t := s.buckets[id].Load()
	if t == nil {
		return nil, false
	}
	return slices.Clone(t.frames), true
}

func (s *stackTraces) update([]byte, []byte, uint64, int) Errno { return EINVAL }

func (s *stackTraces) read(key, out []byte, _ uint64) Errno {
	id := binary.LittleEndian.Uint32(key)
	if id >= uint32(len(s.buckets)) {
		return ENOENT
	}
	return s.copy(s.buckets[id].Load(), out)
}

func (s *stackTraces) take(key, out []byte, _ uint64) Errno {
	id := binary.LittleEndian.Uint32(key)
	if id >= uint32(len(s.buckets)) {
		return ENOENT
	}
	return s.copy(s.buckets[id].Swap(nil), out)
}

func (s *stackTraces) copy(t *trace, out []byte) Errno {
	if t == nil {
		return ENOENT
	}
	clear(out)
	for i, f := range t.frames {
		at := out[i*s.frame:]
		if s.frame == buildIDSize {
			binary.LittleEndian.PutUint32(at, buildIDNone)
			at = at[buildIDAddress:]
		}
		binary.LittleEndian.PutUint64(at, f)
	}
	return 0
}

func (s *stackTraces) remove(key []byte) Errno {
	id := binary.LittleEndian.Uint32(key)
	if id >= uint32(len(s.buckets)) {
		return E2BIG
	}
	if s.buckets[id].Swap(nil) == nil {
		return ENOENT
	}
	return 0
}

func (s *stackTraces) next(key, out []byte) Errno {
	id := uint32(0)
	if key != nil {
		if n := binary.LittleEndian.Uint32(key); n < uint32(len(s.buckets)) && s.buckets[n].Load() != nil {
			id = n + 1
		}
	}
	for ; id < uint32(len(s.buckets)); id++ {
		if s.buckets[id].Load() != nil {
			binary.LittleEndian.PutUint32(out, id)
			return 0
		}
	}
	return ENOENT
}

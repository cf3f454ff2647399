// Implements memory of a program's own (bpf_obj_new), which can outlive the run in maps, lists and trees.

package helper

import (
	"fmt"
	"slices"
)

// block is memory that a program has asked for. While a run has it, its bytes are in the run's memory, at a different
// address in every run; while a map, list or tree has it, they are in image. What a list or tree has is guarded by the
// lock beside its head.
type block struct {
	size  int
	image []byte
	links []link         // the lists and trees that have it
	heads map[int]*group // lists and trees that begin in it, by offset
}

// link is a list or tree that has a block, and the offset of the field that links it there.
type link struct {
	in   *group
	node int
}

// blockAt is where a run has a block.
type blockAt struct {
	addr uint64
	*block
}

// largestBlock is how large memory may be that a program asks for.
const largestBlock = 4096

// blockAddr returns the address of a block in this run, with its bytes there.
func (c *Call) blockAddr(b *block) (uint64, error) {
	s, err := c.state()
	if err != nil {
		return 0, err
	}
	addr, ok := s.addrs[b]
	var data []byte
	if ok {
		data, err = c.Bytes(addr, b.size, true)
	} else {
		if addr, data, err = c.Alloc(b.size, true); err == nil {
			err = c.bind(addr, b)
			s.blocks = append(s.blocks, blockAt{addr, b}) // addresses go up
		}
	}
	if err != nil {
		return 0, err
	}
	if b.image != nil {
		copy(data, b.image)
	}
	return addr, nil
}

// save keeps the bytes that the run has of a block.
func (b *block) save(c *Call, addr uint64) error {
	data, err := c.Bytes(addr, b.size, false)
	if err == nil {
		b.image = append(b.image[:0], data...)
	}
	return err
}

// saveBlocks keeps what the run has written to blocks of lists and trees, before it gives back their lock.
func (c *Call) saveBlocks() error {
	s := c.current()
	if s == nil {
		return nil
	}
	for _, b := range s.blocks {
		if len(b.links) > 0 {
			if err := b.save(c, b.addr); err != nil {
				return err
			}
		}
	}
	return nil
}

// blockOf returns the block that an address is inside, and its own address.
func (c *Call) blockOf(addr uint64) (*block, uint64) {
	s := c.current()
	if s == nil {
		return nil, 0
	}
	i, exact := slices.BinarySearchFunc(s.blocks, addr, func(b blockAt, a uint64) int {
		switch {
		case b.addr < a:
			return -1
		case b.addr > a:
			return 1
		}
		return 0
	})
	if !exact {
		i--
	}
	if i < 0 || addr-s.blocks[i].addr >= uint64(s.blocks[i].size) {
		return nil, 0
	}
	return s.blocks[i].block, s.blocks[i].addr
}

// objNew is bpf_obj_new: zeroed memory for a type of the program's.
func objNew(c *Call, id, _, _, _, _ uint64) (uint64, error) {
	if c.TypeSize == nil {
		return 0, fmt.Errorf("type %d: the program comes without descriptions of its types", id)
	}
	size, ok := c.TypeSize(id)
	switch {
	case !ok:
		return 0, fmt.Errorf("the program has no type %d", id)
	case size <= 0 || size > largestBlock:
		return 0, nil
	}
	return c.blockAddr(&block{size: size})
}

func objDrop(c *Call, ptr, _, _, _, _ uint64) (uint64, error) {
	if _, ok := c.objectAt(ptr).(*block); !ok {
		return 0, fmt.Errorf("%#x is no memory that bpf_obj_new has returned and the program owns", ptr)
	}
	return 0, nil // the run's memory goes with the run, and what a list or tree has stays
}

var ownObjects = []Helper{
	{Name: "bpf_obj_new_impl", Kfunc: true, Args: []Arg{Constant, Any | Ignored}, Result: ResultObject | MayBeNull | Acquires, Func: objNew},
	{Name: "bpf_obj_drop_impl", Kfunc: true, Args: []Arg{Object | Releases, Any | Ignored}, Result: Void, Func: objDrop},
	{Name: "bpf_refcount_acquire_impl", Kfunc: true, WhileLocked: true, Args: []Arg{Object, Any | Ignored}, Result: ResultObject | MayBeNull | Acquires, Func: same},
}

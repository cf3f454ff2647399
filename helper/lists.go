// Implements lists and trees of a program's own memory, which begin in values of maps.

package helper

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/skepbpf/skep/bpfmap"
)

// group is a list or a tree: its blocks in order. The program's lock guards it.
type group struct {
	serial uint64
	items  []*block
}

type groupKey struct{ off int }

// groupSlot holds the group that begins at a place of a map.
type groupSlot struct{ *group }

// group returns the list or tree that begins at an address. Its first word tells it from those of earlier elements.
func (c *Call) group(head uint64) (*group, error) {
	word, err := c.Bytes(head, 8, true)
	if err != nil {
		return nil, err
	}
	m, off := c.MapAt(head)
	if m == nil {
		b, addr := c.blockOf(head)
		if b == nil {
			return nil, fmt.Errorf("%#x is neither in a map nor in an object", head)
		}
		if b.heads == nil {
			b.heads = map[int]*group{}
		}
		at := int(head - addr)
		if b.heads[at] == nil {
			b.heads[at] = &group{}
		}
		return b.heads[at], nil
	}
	slot := slotOf(m, off)
	if slot.group == nil || slot.serial != binary.LittleEndian.Uint64(word) {
		slot.group = &group{serial: asyncSerial.Add(1)}
		binary.LittleEndian.PutUint64(word, slot.serial)
	}
	return slot.group, nil
}

func slotOf(m *bpfmap.Local, off int) *groupSlot {
	return m.Attach(groupKey{off}, func() any { return &groupSlot{} }).(*groupSlot)
}

// add takes the block that a node is in, which the program owns, to a place. It is -EINVAL if another has it.
func (c *Call) add(g *group, node uint64, place func(b *block) (int, error)) (uint64, error) {
	b, addr := c.blockOf(node)
	if b == nil {
		return 0, fmt.Errorf("%#x is in no memory that bpf_obj_new has returned", node)
	}
	at := int(node - addr)
	if slices.ContainsFunc(b.links, func(l link) bool { return l.node == at }) {
		return eINVAL.result32()
	}
	i, err := place(b)
	if err != nil {
		return 0, err
	}
	if err := b.save(c, addr); err != nil {
		return 0, err
	}
	b.links = append(b.links, link{g, at})
	g.items = slices.Insert(g.items, i, b)
	return 0, nil
}

// nodeAddr returns the address of the field that links a block in a list or tree.
func (c *Call) nodeAddr(g *group, b *block) (uint64, error) {
	addr, err := c.blockAddr(b)
	for _, l := range b.links {
		if l.in == g {
			return addr + uint64(l.node), err
		}
	}
	return addr, err
}

// unlink makes a block one that a list or tree has no more.
func (b *block) unlink(g *group) {
	b.links = slices.DeleteFunc(b.links, func(l link) bool { return l.in == g })
}

// take returns the i-th block, removed if the program is to own it; 0 if there is none.
func (c *Call) take(head uint64, last, remove bool) (uint64, error) {
	g, err := c.group(head)
	if err != nil || len(g.items) == 0 {
		return 0, err
	}
	i := 0
	if last {
		i = len(g.items) - 1
	}
	b := g.items[i]
	addr, err := c.nodeAddr(g, b)
	if err == nil && remove {
		g.items = slices.Delete(g.items, i, i+1)
		b.unlink(g)
	}
	return addr, err
}

func push(atEnd bool) Func {
	return func(c *Call, head, node, _, _, _ uint64) (uint64, error) {
		g, err := c.group(head)
		if err != nil {
			return 0, err
		}
		return c.add(g, node, func(*block) (int, error) {
			if atEnd {
				return len(g.items), nil
			}
			return 0, nil
		})
	}
}

// taker returns a function that gives the first or last node of a list.
func taker(name string, last, remove bool) Helper {
	h := Helper{Name: name, Kfunc: true, WhileLocked: true, Args: []Arg{ListHead}, Result: ResultObject | MayBeNull, ResultObject: "bpf_list_node",
		Func: func(c *Call, head, _, _, _, _ uint64) (uint64, error) { return c.take(head, last, remove) }}
	if remove {
		h.Result |= Acquires
	}
	return h
}

// treeAdd finds the place of a node by the program's own order: behind those that it is not less than.
func treeAdd(c *Call, root, node, less, _, _ uint64) (uint64, error) {
	g, err := c.group(root)
	if err != nil {
		return 0, err
	}
	return c.add(g, node, func(*block) (int, error) {
		low, high := 0, len(g.items)
		for low < high {
			mid := (low + high) / 2
			other, err := c.nodeAddr(g, g.items[mid])
			if err != nil {
				return 0, err
			}
			r, err := c.CallFunction(less, node, other, 0, 0, 0)
			if err != nil {
				return 0, err
			}
			if r&0xff != 0 {
				high = mid
			} else {
				low = mid + 1
			}
		}
		return low, nil
	})
}

func treeRemove(c *Call, root, node, _, _, _ uint64) (uint64, error) {
	g, err := c.group(root)
	if err != nil {
		return 0, err
	}
	b, _ := c.blockOf(node)
	if b == nil || !slices.Contains(g.items, b) {
		return 0, nil
	}
	g.items = slices.DeleteFunc(g.items, func(o *block) bool { return o == b })
	b.unlink(g)
	return node, nil
}

// treeWalk goes down from the root of a tree to a node, and then on to one side of it. What the kernel's tree looks like
// depends on its history; here the root is the node in the middle, and so on in each half, in which searches end as well.
func treeWalk(side int) Func {
	return func(c *Call, root, node, _, _, _ uint64) (uint64, error) {
		g, err := c.group(root)
		if err != nil {
			return 0, err
		}
		low, high := 0, len(g.items)
		if side != 0 {
			b, _ := c.blockOf(node)
			at := slices.Index(g.items, b)
			if b == nil || at < 0 {
				return 0, nil
			}
			for mid := (low + high) / 2; mid != at; mid = (low + high) / 2 {
				if at < mid {
					high = mid
				} else {
					low = mid + 1
				}
			}
			if side < 0 {
				high = at
			} else {
				low = at + 1
			}
		}
		if low >= high {
			return 0, nil
		}
		return c.nodeAddr(g, g.items[(low+high)/2])
	}
}

var pushArgs = []Arg{ListHead, ListNode | Releases, Any | Ignored, Any}

var lists = []Helper{
	{Name: "bpf_list_push_front_impl", Kfunc: true, WhileLocked: true, Args: pushArgs, Func: push(false)},
	{Name: "bpf_list_push_back_impl", Kfunc: true, WhileLocked: true, Args: pushArgs, Func: push(true)},
	taker("bpf_list_pop_front", false, true),
	taker("bpf_list_pop_back", true, true),
	taker("bpf_list_front", false, false),
	taker("bpf_list_back", true, false),
	{Name: "bpf_rbtree_add_impl", Kfunc: true, WhileLocked: true, Args: []Arg{TreeRoot, TreeNode | Releases, Function, Any | Ignored, Any},
		Callback: &Callback{Args: [MaxArgs]CallbackArg{CallbackObject, CallbackObject}, Object: "bpf_rb_node", Max: 1}, Func: treeAdd},
	{Name: "bpf_rbtree_first", Kfunc: true, WhileLocked: true, Args: []Arg{TreeRoot}, Result: ResultObject | MayBeNull, ResultObject: "bpf_rb_node",
		Func: func(c *Call, root, _, _, _, _ uint64) (uint64, error) { return c.take(root, false, false) }},
	{Name: "bpf_rbtree_root", Kfunc: true, WhileLocked: true, Args: []Arg{TreeRoot}, Result: ResultObject | MayBeNull, ResultObject: "bpf_rb_node", Func: treeWalk(0)},
	{Name: "bpf_rbtree_left", Kfunc: true, WhileLocked: true, Args: []Arg{TreeRoot, TreeNode}, Result: ResultObject | MayBeNull, ResultObject: "bpf_rb_node", Func: treeWalk(-1)},
	{Name: "bpf_rbtree_right", Kfunc: true, WhileLocked: true, Args: []Arg{TreeRoot, TreeNode}, Result: ResultObject | MayBeNull, ResultObject: "bpf_rb_node", Func: treeWalk(1)},
	{Name: "bpf_rbtree_remove", Kfunc: true, WhileLocked: true, Args: []Arg{TreeRoot, TreeNode}, Result: ResultObject | MayBeNull | Acquires, ResultObject: "bpf_rb_node", Func: treeRemove},
}

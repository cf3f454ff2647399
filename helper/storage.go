// Implements values that belong to tasks, control groups, inodes and sockets.

package helper

import (
	"errors"

	"github.com/skepbpf/skep/spec"
)

// storageCreate is the flag to make a value that is not there (BPF_LOCAL_STORAGE_GET_F_CREATE).
const storageCreate = 1

// storage returns the two helpers for values of a sort of object. owner finds who it is that an address stands for.
func storage(get, remove int32, name string, mapType spec.MapType, object Arg, structure string, owner func(c *Call, addr uint64) any) []Helper {
	return []Helper{
		{ID: get, Name: name + "_storage_get", Args: []Arg{MapRef, object, MapValue | OrNull, Any}, Objects: [MaxArgs]string{1: structure},
			Maps: []spec.MapType{mapType}, Result: ResultMapValue | MayBeNull,
			Func: func(c *Call, m, object, value, flags, _ uint64) (uint64, error) {
				l := c.Map(m)
				if l == nil {
					return 0, ErrNoMap
				}
				who := owner(c, object)
				if flags&^storageCreate != 0 || who == nil {
					return 0, nil
				}
				var init []byte
				if value != 0 && flags != 0 {
					b, err := c.Bytes(value, int(l.Spec().ValueSize), false)
					if err != nil {
						return 0, err
					}
					init = b
				}
				off, ok := l.StorageGet(who, flags != 0, init)
				if !ok {
					return 0, nil
				}
				return c.MapAddr(l, off)
			}},
		{ID: remove, Name: name + "_storage_delete", Args: []Arg{MapRef, object}, Objects: [MaxArgs]string{1: structure}, Maps: []spec.MapType{mapType},
			Func: func(c *Call, m, object, _, _, _ uint64) (uint64, error) {
				l := c.Map(m)
				if l == nil {
					return 0, ErrNoMap
				}
				who := owner(c, object)
				if who == nil {
					return eINVAL.result()
				}
				return mapErrno(l.StorageDelete(who))
			}},
	}
}

// traced gives socket storage the signature that it has in tracing programs, which get sockets of the kernel's.
func traced(family []Helper) []Helper {
	for i := range family {
		h := &family[i]
		args := append([]Arg(nil), h.Args...)
		args[1] = Object | OrNull
		h.Variants = []Variant{{[]spec.ProgramType{spec.Tracing}, args}}
	}
	return family
}

// whoever is the object at an address or, without one, the address itself.
func whoever(c *Call, addr uint64) any {
	switch o := c.objectAt(addr); {
	case o != nil:
		return o
	case addr != 0:
		return Place(addr)
	}
	return nil
}

func ownTask(c *Call, addr uint64) any {
	if t := c.taskAt(addr); t != nil {
		return t
	}
	return whoever(c, addr)
}

var storages = append(append(append(
	traced(storage(107, 108, "sk", spec.SkStorage, SockCommon, "sock_common", whoever)),
	storage(145, 146, "inode", spec.InodeStorage, Object|OrNull, "inode", whoever)...),
	storage(156, 157, "task", spec.TaskStorage, Object|OrNull, "task_struct", ownTask)...),
	storage(210, 211, "cgrp", spec.CgrpStorage, Object|OrNull, "cgroup", whoever)...)

var localStorage = []Helper{
	{ID: 81, Name: "get_local_storage", Args: []Arg{MapRef, Any | Zero}, Maps: []spec.MapType{spec.CGroupStorage, spec.PerCPUCGroupStorage}, Result: ResultMapValue,
		Func: func(c *Call, m, _, _, _, _ uint64) (uint64, error) {
			l := c.Map(m)
			if l == nil {
				return 0, ErrNoMap
			}
			off, ok := l.GroupStorage(c.task().cgroup().ID, c.AttachType(), c.CPU())
			if !ok {
				return 0, errors.New("the control group has no storage in the map")
			}
			return c.MapAddr(l, off)
		}},
}

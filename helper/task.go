// Implements the tasks and control groups that helpers tell about.

package helper

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Task is a thread, as programs see it.
type Task struct {
	PID, TGID uint32 // thread and process, what user space calls TID and PID
	UID, GID  uint32
	Comm      string // at most 15 bytes count

	Cgroup  *Cgroup // nil: the root
	ClassID uint32  // of its net_cls control group

	// PIDNamespace is its PID namespace, for bpf_get_ns_current_pid_tgid; nil: it has none that programs find.
	PIDNamespace *PIDNamespace

	// Struct is its struct task_struct as programs read it, as long as they need. Addr is the address of the
	// structure in Env.Kernel; it counts if Struct is empty. If there is neither, the task has an address that can be
	// passed on and compared, with nothing there.
	Struct []byte
	Addr   uint64
	// Regs is its struct pt_regs, for bpf_task_pt_regs.
	Regs []byte

	// KernelStack and UserStack are the return addresses on its stacks, the innermost first.
	KernelStack, UserStack []uint64

	Kernel bool // a kernel thread: it has no memory of its own and gets no signals
}

// PIDNamespace is a PID namespace and what a task is called in it.
type PIDNamespace struct {
	Device, Inode uint64 // of its file in /proc/PID/ns
	PID, TGID     uint32
}

// Cgroup is a control group of the unified hierarchy.
type Cgroup struct {
	ID     uint64
	Parent *Cgroup // nil: it is the root
	Struct []byte  // its struct cgroup as programs read it, as long as they need
}

// rootCgroup is the control group of tasks that have none.
var rootCgroup = &Cgroup{ID: 1}

// Level returns how many ancestors the group has.
func (g *Cgroup) Level() int {
	n := 0
	for p := g.Parent; p != nil; p = p.Parent {
		n++
	}
	return n
}

// Ancestor returns the group's ancestor at a level, 0 for the root and its own level for itself, or nil.
func (g *Cgroup) Ancestor(level int) *Cgroup {
	up := g.Level() - level
	if level < 0 || up < 0 {
		return nil
	}
	for range up {
		g = g.Parent
	}
	return g
}

// under reports whether the group is top or below it.
func (g *Cgroup) under(top *Cgroup) bool {
	for ; g != nil; g = g.Parent {
		if g == top || g.ID == top.ID {
			return true
		}
	}
	return false
}

func (t *Task) cgroup() *Cgroup {
	if t.Cgroup != nil {
		return t.Cgroup
	}
	return rootCgroup
}

// thisProcess is the task of an Env that names none.
var thisProcess = sync.OnceValue(func() *Task {
	t := &Task{PID: uint32(os.Getpid()), TGID: uint32(os.Getpid()), UID: uint32(max(os.Getuid(), 0)), GID: uint32(max(os.Getgid(), 0))}
	if b, err := os.ReadFile("/proc/self/comm"); err == nil {
		t.Comm = strings.TrimSuffix(string(b), "\n")
	} else if len(os.Args) > 0 {
		t.Comm = filepath.Base(os.Args[0])
	}
	return t
})

// task returns the current task.
func (c *Call) task() *Task {
	if c.Env != nil && c.Env.Task != nil {
		return c.Env.Task
	}
	return thisProcess()
}

// taskPointer returns the address that a task has in this run.
func (c *Call) taskPointer(t *Task) (uint64, error) {
	if len(t.Struct) == 0 && t.Addr != 0 {
		return t.Addr, c.bind(t.Addr, t)
	}
	return c.imageOf(t, t.Struct)
}

// taskAt returns the task at an address, or nil.
func (c *Call) taskAt(addr uint64) *Task {
	t, _ := c.objectAt(addr).(*Task)
	if t == nil && c.Env != nil && addr != 0 {
		for _, o := range append([]*Task{c.task()}, c.Env.Tasks...) {
			if len(o.Struct) == 0 && o.Addr == addr {
				return o
			}
		}
	}
	return t
}

// cgroupAt returns the control group at an address, or nil.
func (c *Call) cgroupAt(addr uint64) *Cgroup {
	g, _ := c.objectAt(addr).(*Cgroup)
	return g
}

var currentTask = []Helper{
	number(14, "get_current_pid_tgid", func(c *Call) uint64 { t := c.task(); return uint64(t.TGID)<<32 | uint64(t.PID) }),
	number(15, "get_current_uid_gid", func(c *Call) uint64 { t := c.task(); return uint64(t.GID)<<32 | uint64(t.UID) }),
	{ID: 16, Name: "get_current_comm", Args: []Arg{MemOut, Size}, Func: func(c *Call, buf, size, _, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(buf, int(uint32(size)), true)
		if err != nil {
			return 0, err
		}
		putString(b, c.task().Comm, 15)
		return 0, nil
	}},
	{ID: 35, Name: "get_current_task", GPL: true, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return c.taskPointer(c.task()) }},
	{ID: 158, Name: "get_current_task_btf", GPL: true, Result: ResultObject | Trusted, ResultObject: "task_struct",
		Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return c.taskPointer(c.task()) }},
	{ID: 175, Name: "task_pt_regs", GPL: true, Args: []Arg{Object}, Objects: [MaxArgs]string{"task_struct"}, Result: ResultObject, ResultObject: "pt_regs",
		Func: taskRegs},

	number(80, "get_current_cgroup_id", func(c *Call) uint64 { return c.task().cgroup().ID }),
	{ID: 123, Name: "get_current_ancestor_cgroup_id", Args: []Arg{Any}, Func: func(c *Call, level, _, _, _, _ uint64) (uint64, error) {
		if g := c.task().cgroup().Ancestor(int(int32(level))); g != nil {
			return g.ID, nil
		}
		return 0, nil
	}},
	{ID: 17, Name: "get_cgroup_classid", Variants: []Variant{{packetTypes, []Arg{Context}}}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		return uint64(c.task().ClassID), nil
	}},
	{ID: 120, Name: "get_ns_current_pid_tgid", Args: []Arg{Any, Any, MemOut, Size}, Func: namespacePID},
	{ID: 109, Name: "send_signal", Args: []Arg{Any}, Func: func(c *Call, sig, _, _, _, _ uint64) (uint64, error) {
		return c.signal(Signal{Number: uint32(sig), Task: c.task()}).result()
	}},
	{ID: 117, Name: "send_signal_thread", Args: []Arg{Any}, Func: func(c *Call, sig, _, _, _, _ uint64) (uint64, error) {
		return c.signal(Signal{Number: uint32(sig), Thread: true, Task: c.task()}).result()
	}},
}

// putString writes s to b, cut to limit bytes and to fit with a zero behind it, and zeroes the rest.
func putString(b []byte, s string, limit int) {
	if len(b) == 0 {
		return
	}
	n := copy(b[:len(b)-1], s[:min(len(s), limit)])
	clear(b[n:])
}

// taskRegs returns a task's registers, of which there are none by default: they read as zero.
func taskRegs(c *Call, task, _, _, _, _ uint64) (uint64, error) {
	t := c.taskAt(task)
	if t == nil {
		t = c.task()
	}
	regs := t.Regs
	if len(regs) == 0 {
		regs = make([]byte, ptRegsSize)
	}
	type registers struct{ *Task }
	return c.imageOf(registers{t}, regs)
}

// ptRegsSize is the size of struct pt_regs on x86-64.
const ptRegsSize = 168

func namespacePID(c *Call, dev, ino, data, size, _ uint64) (uint64, error) {
	b, err := c.Bytes(data, int(uint32(size)), true)
	if err != nil {
		return 0, err
	}
	clear(b)
	ns := c.task().PIDNamespace
	if len(b) != 8 || dev>>32 != 0 || ns == nil || ns.Device != dev || ns.Inode != ino {
		return eINVAL.result()
	}
	binary.LittleEndian.PutUint32(b, ns.PID)
	binary.LittleEndian.PutUint32(b[4:], ns.TGID)
	return 0, nil
}

// lastSignal is the highest number of a signal (the kernel's _NSIG).
const lastSignal = 64

// signal sends a signal.
func (c *Call) signal(s Signal) errno {
	switch {
	case s.Task.Kernel || s.Task.TGID == 1:
		return ePERM
	case s.Number > lastSignal:
		return eINVAL
	case c.Env == nil || c.Env.Signal == nil:
		return 0
	}
	return errno(c.Env.Signal(s))
}

var taskInCgroup = []Helper{
	{ID: 37, Name: "current_task_under_cgroup", Args: []Arg{MapRef, Any}, Maps: cgroupArray, Func: func(c *Call, m, index, _, _, _ uint64) (uint64, error) {
		l := c.Map(m)
		if l == nil {
			return 0, ErrNoMap
		}
		group, e := cgroupIn(l, uint32(index))
		switch {
		case e != 0:
			return e.result()
		case c.task().cgroup().under(group):
			return 1, nil
		}
		return 0, nil
	}},
}

// cgroupIn returns the control group that a cgroup_array holds.
func cgroupIn(m *bpfmap.Local, index uint32) (*Cgroup, errno) {
	if index >= m.Spec().MaxEntries {
		return nil, e2BIG
	}
	o, ok := m.CGroup(index)
	if !ok {
		return nil, eAGAIN
	}
	g, ok := o.(*Cgroup)
	if !ok {
		return nil, eAGAIN
	}
	return g, 0
}

// packetTypes are types of programs that ask for the class of their packet, where others ask for that of the task.
var packetTypes = []spec.ProgramType{spec.SchedCLS, spec.SchedACT, spec.LWTIn, spec.LWTOut, spec.LWTXmit, spec.LWTSeg6Local}

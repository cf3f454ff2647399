// Implements the kernel functions for tasks and control groups.

package helper

// task returns the task that a number belongs to.
func (c *Call) taskOf(pid uint32) *Task {
	if t := c.task(); t.PID == pid {
		return t
	}
	if c.Env != nil {
		for _, t := range c.Env.Tasks {
			if t.PID == pid {
				return t
			}
		}
	}
	return nil
}

func taskFrom(c *Call, pid, _, _, _, _ uint64) (uint64, error) {
	if t := c.taskOf(uint32(pid)); t != nil {
		return c.taskPointer(t)
	}
	return 0, nil
}

func same(_ *Call, p, _, _, _, _ uint64) (uint64, error) { return p, nil }

var (
	firstIsTask   = [MaxArgs]string{"task_struct"}
	firstIsCgroup = [MaxArgs]string{"cgroup"}
	oneObject     = []Arg{Object}
)

// cgroupPointer returns the address of a group in this run, 0 for nil.
func (c *Call) cgroupPointer(g *Cgroup) (uint64, error) {
	if g == nil {
		return 0, nil
	}
	return c.imageOf(g, g.Struct)
}

// findCgroup returns the group with a number among those of the tasks and their ancestors.
func (c *Call) findCgroup(id uint64) *Cgroup {
	tasks := []*Task{c.task()}
	if c.Env != nil {
		tasks = append(tasks, c.Env.Tasks...)
	}
	for _, t := range tasks {
		for g := t.cgroup(); g != nil; g = g.Parent {
			if g.ID == id {
				return g
			}
		}
	}
	return nil
}

var taskKfuncs = []Helper{
	{Name: "bpf_task_acquire", Kfunc: true, RCUArgs: true, Args: oneObject, Objects: firstIsTask, Result: ResultObject | MayBeNull | Acquires, ResultObject: "task_struct", Func: same},
	{Name: "bpf_task_release", Kfunc: true, Args: []Arg{Object | Releases}, Objects: firstIsTask, Result: Void, Func: nothing},
	{Name: "bpf_task_from_pid", Kfunc: true, Args: []Arg{Any}, Result: ResultObject | MayBeNull | Acquires, ResultObject: "task_struct", Func: taskFrom},
	{Name: "bpf_task_from_vpid", Kfunc: true, Args: []Arg{Any}, Result: ResultObject | MayBeNull | Acquires, ResultObject: "task_struct", Func: taskFrom},
	{Name: "bpf_task_under_cgroup", Kfunc: true, RCUArgs: true, Args: []Arg{Object, Object}, Objects: [MaxArgs]string{"task_struct", "cgroup"},
		Func: func(c *Call, task, group, _, _, _ uint64) (uint64, error) {
			t, g := c.taskAt(task), c.cgroupAt(group)
			return isTrue(t != nil && g != nil && t.cgroup().under(g)), nil
		}},
	{Name: "bpf_task_get_cgroup1", Kfunc: true, RCUArgs: true, Args: []Arg{Object, Any}, Objects: firstIsTask, Result: ResultObject | MayBeNull | Acquires, ResultObject: "cgroup",
		Func: func(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return 0, nil }}, // there are no hierarchies of version 1
	{Name: "bpf_send_signal_task", Kfunc: true, TrustedArgs: true, Args: []Arg{Object, Any, Any, Any}, Objects: firstIsTask,
		Func: func(c *Call, task, sig, kind, value, _ uint64) (uint64, error) {
			const pid, tgid = 0, 1 // enum pid_type
			t := c.taskAt(task)
			if t == nil || uint32(kind) != pid && uint32(kind) != tgid {
				return eINVAL.result32()
			}
			return c.signal(Signal{Number: uint32(sig), Thread: uint32(kind) == pid, Task: t, Value: value}).result32()
		}},

	{Name: "bpf_cgroup_acquire", Kfunc: true, RCUArgs: true, Args: oneObject, Objects: firstIsCgroup, Result: ResultObject | MayBeNull | Acquires, ResultObject: "cgroup", Func: same},
	{Name: "bpf_cgroup_release", Kfunc: true, Args: []Arg{Object | Releases}, Objects: firstIsCgroup, Result: Void, Func: nothing},
	{Name: "bpf_cgroup_ancestor", Kfunc: true, RCUArgs: true, Args: []Arg{Object, Any}, Objects: firstIsCgroup, Result: ResultObject | MayBeNull | Acquires, ResultObject: "cgroup",
		Func: func(c *Call, group, level, _, _, _ uint64) (uint64, error) {
			g := c.cgroupAt(group)
			if g == nil {
				return 0, nil
			}
			return c.cgroupPointer(g.Ancestor(int(int32(level))))
		}},
	{Name: "bpf_cgroup_from_id", Kfunc: true, Args: []Arg{Any}, Result: ResultObject | MayBeNull | Acquires, ResultObject: "cgroup",
		Func: func(c *Call, id, _, _, _, _ uint64) (uint64, error) { return c.cgroupPointer(c.findCgroup(id)) }},
	{Name: "bpf_throw", Kfunc: true, Args: []Arg{Any}, Result: Void, Throws: true,
		Func: func(_ *Call, cookie, _, _, _, _ uint64) (uint64, error) { return cookie, ErrExit }},
}

// casts tell the verifier to take a pointer for another.
var casts = []Helper{
	{Name: "bpf_cast_to_kern_ctx", Kfunc: true, Args: []Arg{Context}, Result: ResultObject, Func: same},
	{Name: "bpf_rdonly_cast", Kfunc: true, Args: []Arg{Any | Ignored, Constant}, Result: ResultObject, Func: same},
}

package seccomp_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/seccomp"
)

// children are what the test binary does when it is started again, under a filter: a child prints what it finds wrong.
var children = map[string]func(arg string){
	"policy": policyChild, "profile": profileChild, "fatal": fatalChild, "threads": threadsChild, "apart": apartChild, "exec": execChild, "wait": waitChild,
}

func TestMain(m *testing.M) {
	if name, arg, ok := strings.Cut(os.Getenv("SKEP_SECCOMP_CHILD"), ":"); ok {
		children[name](arg)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child runs the test binary as a child.
func child(t *testing.T, name, arg string) (output string, status unix.WaitStatus) {
	t.Helper()
	if err := seccomp.Available(seccomp.Notify); err != nil {
		t.Skip(err)
	}
	if emulated() {
		t.Skip("an emulator's kernel has no filters")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SKEP_SECCOMP_CHILD="+name+":"+arg)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	done := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer done.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), unix.WaitStatus(cmd.ProcessState.Sys().(syscall.WaitStatus))
}

func emulated() bool {
	info, err := os.ReadFile("/proc/self/status")
	return err != nil || !bytes.Contains(info, []byte("Seccomp:"))
}

// harmless are calls that do nothing when their file descriptor is -1.
var harmless = map[string]uintptr{"lseek": unix.SYS_LSEEK, "fcntl": unix.SYS_FCNTL, "ioctl": unix.SYS_IOCTL, "dup3": unix.SYS_DUP3, "fchmod": unix.SYS_FCHMOD, "flock": unix.SYS_FLOCK}

func must(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// errno makes a call.
func errno(d *seccomp.Data) uint16 {
	_, _, e := unix.RawSyscall6(uintptr(d.Nr), uintptr(d.Args[0]), uintptr(d.Args[1]), uintptr(d.Args[2]), uintptr(d.Args[3]), uintptr(d.Args[4]), uintptr(d.Args[5]))
	return uint16(e)
}

// compare loads a filter and compares what the kernel does with what it is simulated to do.
func compare(f *seccomp.Filter, all []seccomp.Data) {
	before := make([]uint16, len(all))
	want := make([]seccomp.Action, len(all))
	for i := range all {
		before[i] = errno(&all[i])
		var err error
		want[i], err = f.Run(&all[i])
		must(err)
	}
	must(f.Load(nil))
	seen := map[seccomp.Action]int{}
	for i := range all {
		got := errno(&all[i])
		expected := before[i]
		switch want[i].Kind() {
		case seccomp.ErrnoAction:
			expected = want[i].Data()
		case seccomp.TraceAction, seccomp.Notify:
			expected = uint16(unix.ENOSYS) // nobody is there to decide
		}
		if got != expected {
			fmt.Printf("%+v: the kernel says %d, simulated is %s, without a filter it is %d\n", all[i], got, want[i], before[i])
			os.Exit(1)
		}
		seen[want[i].Kind()]++
	}
	fmt.Println("calls compared:", len(all), "by action:", seen)
}

// policyChild compares under a random policy.
func policyChild(arg string) {
	seed, err := strconv.Atoi(arg)
	must(err)
	r := rand.New(rand.NewPCG(uint64(seed), 3))
	native := seccomp.Native()
	p := &seccomp.Policy{Default: seccomp.Allow, Arches: []seccomp.Arch{native}, OtherArch: seccomp.KillProcess}
	actions := []seccomp.Action{seccomp.Allow, seccomp.Errno(70), seccomp.Errno(71), seccomp.Errno(4000), seccomp.Log, seccomp.Trace(3), seccomp.Notify}
	var names []string
	for name := range harmless {
		names = append(names, name)
	}
	slices.Sort(names)
	for range 12 {
		args := slices.DeleteFunc(randomArgs(r), func(a seccomp.Arg) bool { return a.Index == 0 })
		p.Rules = append(p.Rules, seccomp.Rule{Syscalls: []string{names[r.IntN(len(names))]}, Args: args, Action: actions[r.IntN(len(actions))]})
	}
	f, err := seccomp.Compile(p, nil)
	must(err)
	var all []seccomp.Data
	for _, d := range calls(p, r) {
		if d.Arch == native.Audit() && slices.Contains(names, native.Name(d.Nr)) {
			d.Args[0] = uint64(uint(1<<32 - 1)) // -1
			all = append(all, d)
		}
	}
	compare(f, all)
}

// profileChild compares under the example's profile: calls that it refuses, and some that it allows.
func profileChild(string) {
	data, err := os.ReadFile("../examples/container.json")
	must(err)
	profile, err := seccomp.ParseProfile(data)
	must(err)
	where := &seccomp.ProfileOptions{Arch: seccomp.Native()}
	f, err := profile.Compile(where, nil)
	must(err)
	native := seccomp.Native()
	var all []seccomp.Data
	const bad = 1<<32 - 1
	for _, call := range []struct {
		name string
		args []uint64
	}{
		{"getpid", nil}, {"getppid", nil}, {"umount2", nil}, {"init_module", nil}, {"delete_module", nil}, {"keyctl", []uint64{bad}}, {"personality", []uint64{bad}}, {"personality", []uint64{1<<32 + 8}},
		{"clone", []uint64{0x10000000}}, {"clone3", nil}, {"socket", []uint64{40, bad}}, {"socket", []uint64{1, bad}}, {"socket", []uint64{16, 3, 9}}, {"socket", []uint64{16, bad, 8}}, {"bpf", []uint64{bad}}, {"setns", []uint64{bad}},
		{"reboot", nil}, {"swapoff", nil}, {"chroot", nil}, {"read", []uint64{bad}}, {"openat", []uint64{bad}}, {"fstat", []uint64{bad}}, {"add_key", nil}, {"unshare", []uint64{bad}},
	} {
		if d, ok := seccomp.NewData(native, call.name, call.args...); ok {
			all = append(all, d)
		}
	}
	compare(f, all)
}

// TestMissionS46Seccomp goes from profiles and policies to filters and simulated verdicts, and compares these with
// what the kernel does to a child process under the filter.
func TestMissionS46Seccomp(t *testing.T) {
	out, status := child(t, "profile", "")
	if status.ExitStatus() != 0 || !strings.Contains(out, "calls compared") {
		t.Errorf("profile: status %#x: %s", uint32(status), out)
	}
	t.Log(out)
	n := 12
	if testing.Short() {
		n = 3
	}
	for i := range n {
		out, status := child(t, "policy", strconv.Itoa(i))
		if status.ExitStatus() != 0 || !strings.Contains(out, "calls compared") {
			t.Errorf("policy %d: status %#x: %s", i, uint32(status), out)
		}
		t.Log(out)
	}
}

// fatalChild makes a call whose action is arg.
func fatalChild(arg string) {
	action, err := seccomp.ParseAction(arg)
	must(err)
	f, err := seccomp.Compile(&seccomp.Policy{Default: seccomp.Allow, Rules: []seccomp.Rule{
		{Syscalls: []string{"getppid"}, Args: []seccomp.Arg{{Index: 1, Op: seccomp.Greater, Value: 1 << 20}}, Action: action}}}, nil)
	must(err)
	must(f.Load(nil))
	gone := make(chan bool)
	go func() {
		runtime.LockOSThread()
		unix.RawSyscall(unix.SYS_GETPPID, 0, 1<<20, 0) // allowed
		fmt.Println("alive")
		unix.RawSyscall(unix.SYS_GETPPID, 0, 1<<20+1, 0)
		close(gone)
	}()
	select {
	case <-gone:
		fmt.Println("went on")
	case <-time.After(500 * time.Millisecond):
		fmt.Println("thread gone")
	}
	os.Exit(3)
}

func TestFatalActions(t *testing.T) {
	for _, c := range []struct {
		action, output string
		killed         bool
	}{{"kill_process", "alive\n", true}, {"kill_thread", "alive\nthread gone\n", false}, {"log", "alive\nwent on\n", false}, {"trap 5", "SIGSYS", false}} {
		out, status := child(t, "fatal", c.action)
		if !strings.Contains(out, c.output) || (status.Signaled() && status.Signal() == unix.SIGSYS) != c.killed {
			t.Errorf("%s: status %#x, output %s", c.action, uint32(status), out)
		}
	}
}

// refuseGetppid is a filter under which getppid fails with an error number.
func refuseGetppid(n uint16) *seccomp.Filter {
	f, err := seccomp.Compile(&seccomp.Policy{Default: seccomp.Allow, Rules: []seccomp.Rule{{Syscalls: []string{"getppid"}, Action: seccomp.Errno(n)}}}, nil)
	must(err)
	return f
}

// threadsChild loads a filter while other threads live, and looks whether all have it.
func threadsChild(string) {
	var ready, done sync.WaitGroup
	load := make(chan bool)
	for range 12 {
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			ready.Done()
			<-load
			if _, _, e := unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); e != 77 {
				fmt.Println("a thread is without the filter:", e)
				os.Exit(1)
			}
		}()
	}
	ready.Wait()
	must(refuseGetppid(77).Load(nil))
	close(load)
	done.Wait()
	fmt.Println("all threads")
}

// apartChild gives one thread a filter, after which no other can be loaded for all.
func apartChild(string) {
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		must(refuseGetppid(1).Load(&seccomp.LoadOptions{ThisThread: true}))
		tid <- unix.Gettid()
		select {}
	}()
	apart := <-tid
	err := refuseGetppid(2).Load(nil)
	var sync *seccomp.SyncError
	if !errors.As(err, &sync) || sync.Thread != apart {
		fmt.Println("error", err, "thread", apart)
		os.Exit(1)
	}
	if _, err := refuseGetppid(2).LoadListener(nil); err == nil {
		fmt.Println("a listener in spite of a thread apart")
		os.Exit(1)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0); e != 0 {
		fmt.Println("the filter was loaded nevertheless")
		os.Exit(1)
	}
	fmt.Println("refused")
}

func TestThreads(t *testing.T) {
	if out, status := child(t, "threads", ""); out != "all threads\n" || status.ExitStatus() != 0 {
		t.Errorf("status %#x, output %s", uint32(status), out)
	}
	if out, status := child(t, "apart", ""); out != "refused\n" || status.ExitStatus() != 0 {
		t.Errorf("status %#x, output %s", uint32(status), out)
	}
}

// execChild executes a program under a filter, as the launcher does.
func execChild(arg string) {
	p := &seccomp.Policy{Default: seccomp.Allow, Rules: []seccomp.Rule{{Syscalls: []string{"uname"}, Action: seccomp.Errno(77)}}}
	if arg == "refused" {
		p.Rules[0].Syscalls = []string{"execve"}
	}
	f, err := seccomp.Compile(p, nil)
	must(err)
	path, err := exec.LookPath("uname")
	must(err)
	err = f.Exec(path, []string{"uname", "-s"}, []string{"LANG=C"})
	var refused *seccomp.ExecError
	fmt.Println(errors.As(err, &refused), err)
	os.Exit(4)
}

func TestExec(t *testing.T) {
	if _, err := exec.LookPath("uname"); err != nil {
		t.Skip("there is no uname")
	}
	if out, status := child(t, "exec", ""); !strings.Contains(out, "cannot get system name") || status.ExitStatus() != 1 {
		t.Errorf("status %#x, output %s", uint32(status), out)
	}
	if out, status := child(t, "exec", "refused"); !strings.HasPrefix(out, "true execve, under the filter: ") || status.ExitStatus() != 4 {
		t.Errorf("status %#x, output %s", uint32(status), out)
	}
}

// onOwnThread runs f in a goroutine on a thread that ends with it, which the process's first thread would not.
func onOwnThread(f func()) {
	started := make(chan bool)
	go func() {
		runtime.LockOSThread()
		first := unix.Gettid() == os.Getpid()
		if first { // nobody else gets this thread while it waits here
			onOwnThread(f)
			runtime.UnlockOSThread()
		}
		started <- true
		if !first {
			f()
		}
	}()
	<-started
}

func TestListener(t *testing.T) {
	if err := seccomp.Available(seccomp.Notify); err != nil || emulated() {
		t.Skip("no notifications: ", err)
	}
	f, err := seccomp.Compile(&seccomp.Policy{Default: seccomp.Allow, Rules: []seccomp.Rule{{Syscalls: []string{"getppid"}, Action: seccomp.Notify}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	listener := make(chan *seccomp.Listener)
	type result struct {
		value uintptr
		errno unix.Errno
	}
	results := make(chan result)
	onOwnThread(func() {
		l, err := f.LoadListener(&seccomp.LoadOptions{ThisThread: true})
		if err != nil {
			t.Error(err)
		}
		listener <- l
		for i := range uintptr(4) {
			v, _, e := unix.Syscall(unix.SYS_GETPPID, i, 0, 0)
			results <- result{v, e}
		}
	})
	l := <-listener
	if l == nil {
		return
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for i := range 4 {
		n, err := l.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if want, _ := seccomp.NewData(seccomp.Native(), "getppid", uint64(i)); n.Data.Nr != want.Nr || n.Data.Arch != want.Arch || n.Data.Args[0] != uint64(i) || !l.Valid(n.ID) {
			t.Errorf("notification %+v", n)
		}
		want := result{4242, 0}
		switch i {
		case 0:
			err = l.Respond(n.ID, seccomp.Response{Value: 4242})
		case 1:
			want = result{^uintptr(0), unix.EXDEV}
			err = l.Respond(n.ID, seccomp.Response{Errno: uint16(unix.EXDEV)})
		case 2:
			want.value = uintptr(unix.Getppid())
			err = l.Respond(n.ID, seccomp.Response{Continue: true})
		case 3:
			var fd int
			fd, err = l.AddFile(n.ID, null, true, true)
			want.value = uintptr(fd)
			defer unix.Close(fd)
		}
		if err != nil {
			t.Fatal(i, err)
		}
		if got := <-results; got != want {
			t.Errorf("call %d: %+v, want %+v", i, got, want)
		}
		if err := l.Respond(n.ID, seccomp.Response{}); !errors.Is(err, seccomp.ErrGone) || l.Valid(n.ID) {
			t.Errorf("a second answer: %v", err)
		}
	}
	if _, err := l.Receive(); err == nil { // the thread ends
		t.Error("a notification from nobody")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// waitChild loads two filters and waits to be looked at.
func waitChild(string) {
	must(refuseGetppid(5).Load(nil))
	must(refuseGetppid(6).Load(nil))
	fmt.Println("ready")
	time.Sleep(time.Minute)
}

func TestDump(t *testing.T) {
	if os.Getuid() != 0 || emulated() {
		t.Skip("it takes privileges")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SKEP_SECCOMP_CHILD=wait:")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
	}()
	if line := make([]byte, 6); true {
		if n, err := out.Read(line); err != nil || string(line[:n]) != "ready\n" {
			t.Fatalf("%q %v", line[:n], err)
		}
	}
	filters, err := seccomp.Dump(cmd.Process.Pid)
	if errors.Is(err, seccomp.ErrNotSupported) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		t.Skip(err)
	}
	if err != nil || len(filters) != 2 {
		t.Fatal(len(filters), err)
	}
	for i, f := range filters {
		diff, err := seccomp.Diff(f, refuseGetppid(uint16(5+i)))
		if err != nil || len(diff) != 0 {
			t.Errorf("filter %d differs from what was loaded: %v %v", i, diff, err)
		}
	}
	if filters, err := seccomp.Dump(os.Getppid()); err != nil || len(filters) != 0 {
		t.Logf("the parent has %d filters: %v", len(filters), err)
	}
}

// TestRecord records a shell that starts processes, and runs it again under the proposed policy.
func TestRecord(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil || emulated() {
		t.Skip("there is no shell")
	}

	script := "trap 'echo got' USR1; (echo two; kill -USR1 $$); uname >/dev/null; exit 7"
	var out bytes.Buffer
	r, err := seccomp.Record([]string{shell, "-c", script}, &seccomp.RecordOptions{Stdout: &out})
	if errors.Is(err, unix.EPERM) || errors.Is(err, seccomp.ErrNotSupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.ExitCode != 7 || r.Processes < 3 || !strings.Contains(out.String(), "got") {
		t.Errorf("exit code %d, %d processes, output %q", r.ExitCode, r.Processes, out.String())
	}
	p := r.Policy(seccomp.KillProcess)
	text, err := p.Profile()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"execve", "uname", "wait4", "kill", "exit_group"} {
		if !slices.Contains(p.Rules[0].Syscalls, name) {
			t.Errorf("no %s in %s", name, text)
		}
	}
	profile, err := seccomp.ParseProfile(text)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := profile.Policy(nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := seccomp.Compile(p, &seccomp.Options{Frequencies: r.Frequencies()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := seccomp.Compile(again, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff, err := seccomp.Diff(a, b); err != nil || len(diff) > 0 {
		t.Errorf("the profile differs from the policy: %v %v", diff, err)
	}
}

package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/event"
)

// terminal returns the two ends of a terminal.
func terminal(t *testing.T) (here, there *os.File) {
	t.Helper()
	here, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { here.Close() })
	if err := unix.IoctlSetPointerInt(int(here.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(here.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	there, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	return here, there
}

// slowLines gives the same lines again and again for some time.
type slowLines struct {
	text string
	end  time.Time
	n    int
}

func (s *slowLines) Read(p []byte) (int, error) {
	if time.Now().After(s.end) {
		return 0, io.EOF
	}
	time.Sleep(5 * time.Millisecond)
	s.n++
	return copy(p, s.text), nil
}

// TestTraceLive looks at the table that is kept up to date at a terminal.
func TestTraceLive(t *testing.T) {
	here, there := terminal(t)
	var shown bytes.Buffer
	done := make(chan struct{})
	go func() {
		io.Copy(&shown, here) // ends with an error when the other end is closed
		close(done)
	}()
	in := &slowLines{text: strings.Repeat("a=1\na=2\na=1\n", 20), end: time.Now().Add(quiet + 3*interval)}
	code := run([]string{"trace", "filter", "--format", "logfmt", "--fields", "a:int", "--by", "a"}, in, there, io.Discard)
	there.Close()
	<-done
	text := strings.ReplaceAll(shown.String(), "\r\n", "\n")
	tables := strings.Split(text, "\x1b[2A\x1b[J")
	if code != 0 || len(tables) < 2 {
		t.Fatalf("code %d, shown: %q", code, text)
	}
	for i, table := range tables {
		var ones, twos int
		var bars [2]string
		n, err := fmt.Sscan(table, new(int), &ones, &bars[0], new(int), &twos, &bars[1])
		if n != 6 || ones < 2*twos-2 || ones > 2*twos+2 || len(bars[0]) != barWidth || len(bars[1]) < barWidth/2-1 {
			t.Errorf("table %d: %v: %q", i, err, table)
		}
		if last := i == len(tables)-1; last && (ones != 40*in.n || twos != 20*in.n) {
			t.Errorf("at the end: %d and %d, read %d times", ones, twos, in.n)
		}
	}
}

// TestTracePages filters the pages that the kernel gives of events of the test's own thread, and the records in them.
func TestTracePages(t *testing.T) {
	const tracefs, name = "/sys/kernel/tracing", "task/task_rename"
	dir := filepath.Join(tracefs, "instances", fmt.Sprintf("skep_pages_%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Skipf("tracefs is not permitted: %v", err)
	}
	set := func(file, text string) {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil {
			t.Error(err)
		}
	}
	defer os.Remove(dir)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	set("set_event_pid", fmt.Sprint(unix.Gettid()))
	set("events/"+name+"/enable", "1")
	const renames = 300
	for i := range renames {
		comm := fmt.Appendf(nil, "skep%d\x00", i%3)
		if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&comm[0])), 0, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	set("events/"+name+"/enable", "0")
	var pages, raw bytes.Buffer
	files, _ := filepath.Glob(filepath.Join(dir, "per_cpu/cpu*/trace_pipe_raw"))
	for _, file := range files {
		fd, err := unix.Open(file, unix.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		for page := make([]byte, pageSize); ; {
			n, err := unix.Read(fd, page)
			if n <= 0 || err != nil {
				break
			}
			pages.Write(page)
			err = event.ReadPage(page, func(r event.Record) {
				raw.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(r.Data))))
				raw.Write(r.Data)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		unix.Close(fd)
	}
	for flag, in := range map[string]io.Reader{"--json": &pages, "--raw": &raw} {
		var out, errs bytes.Buffer
		args := []string{"trace", "filter", flag, "--count", `newcomm == "skep1" || newcomm == "skep2"`, "--format", filepath.Join(tracefs, "events", name, "format")}
		code := run(args, in, &out, &errs)
		if want := fmt.Sprint(renames * 2 / 3); code != 0 || !strings.Contains(out.String(), want) {
			t.Errorf("%s: code %d, %s %s, want %s", flag, code, out.String(), errs.String(), want)
		}
	}
}

package tracedat

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files were made by trace-cmd 3.1.6 on Linux 6.18, of a shell that runs ls and sends itself a signal, on an instance or the top.
var files = map[string]struct {
	buffer string
	first  uint64 // as trace-cmd report -t says
}{
	"v6.dat":               {"", 14979035869003},
	"v6-instance.dat":      {"skept", 14967479540776},
	"v7-instance.dat":      {"skept", 14966808417687},
	"v7-zstd.dat":          {"", 14979186024325},
	"v7-zstd-instance.dat": {"skept", 14966529715676},
}

// show has a line for each record.
func show(t *testing.T, data []byte) (lines []string, times []uint64, buffer string) {
	t.Helper()
	f, err := Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	err = f.Each(func(r *Record) error {
		if r.Event == nil {
			return fmt.Errorf("a record without a format: %x", r.Data)
		}
		var b strings.Builder
		fmt.Fprint(&b, r.Event.System, "/", r.Event.Name)
		r.Event.Each(r.Data, func(name string, v any) {
			if !strings.HasPrefix(name, "common_") && !strings.HasSuffix(name, "pid") {
				fmt.Fprintf(&b, " %s=%v", name, v)
			}
		})
		lines, times, buffer = append(lines, b.String()), append(times, r.Time), r.Buffer
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines, times, buffer
}

var want = []string{
	"sched/sched_process_exec filename=/usr/bin/sh",
	"signal/signal_generate sig=23 errno=0 code=0 comm=sh group=1 result=1",
	"sched/sched_process_exit comm=sh prio=120 group_dead=1",
	"signal/signal_generate sig=17 errno=0 code=1 comm=trace-cmd group=1 result=1",
}

func TestFiles(t *testing.T) {
	for name, about := range files {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		lines, times, buffer := show(t, data)
		if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
			t.Errorf("%s: %s", name, got)
		}
		if buffer != about.buffer || len(times) > 0 && times[0] != about.first {
			t.Errorf("%s: buffer %q, times %v", name, buffer, times)
		}
	}
}

// build makes a file of version 7 with sections compressed by zlib, of the parts of one of version 6: its formats, and two
// processors with the pages of one.
func build(t testing.TB) []byte {
	old, err := os.ReadFile("testdata/v6.dat")
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	f, err := Open(bytes.NewReader(old), int64(len(old)))
	if err != nil {
		t.Fatal(err)
	}
	header := bytes.Index(old, []byte("header_page"))
	ftrace := bytes.Index(old, []byte("header_event\x00")) + 13
	ftrace += 8 + int(le.Uint64(old[ftrace:]))
	c := f.cursor("formats", int64(ftrace))
	f.ftraceFormats(c)
	events := int(c.at)
	f.eventFormats(c)
	if c.err != nil {
		t.Fatal(c.err)
	}
	pack := func(b []byte) []byte {
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(b)
		w.Close()
		out := le.AppendUint32(nil, uint32(z.Len()))
		return append(le.AppendUint32(out, uint32(len(b))), z.Bytes()...)
	}
	out := []byte(Magic + "7\x00\x00\x08\x00\x10\x00\x00zlib\x001\x00")
	options := len(out)
	out = le.AppendUint64(out, 0)
	section := func(id uint16, body []byte) (at int) {
		at = len(out)
		out = le.AppendUint16(out, id)
		out = le.AppendUint32(le.AppendUint16(out, compressed), 0)
		out = append(le.AppendUint64(out, uint64(len(body))), body...)
		return at
	}
	var list []byte
	option := func(id uint16, body []byte) {
		list = append(le.AppendUint32(le.AppendUint16(list, id), uint32(len(body))), body...)
	}
	for id, b := range map[uint16][]byte{optionHeader: old[header:ftrace], optionFtrace: old[ftrace:events], optionFormats: old[events:c.at]} {
		option(id, le.AppendUint64(nil, uint64(section(id, pack(b)))))
	}
	buffer := le.AppendUint64(nil, uint64(section(optionBuffer, nil)))
	buffer = append(buffer, "two\x00local\x00"...)
	buffer = le.AppendUint32(le.AppendUint32(buffer, 4096), 2)
	for i, p := range f.buffers[0].cpus {
		page := old[p.off : p.off+p.size]
		data := le.AppendUint32(nil, uint32(len(page)/4096))
		for ; len(page) > 0; page = page[4096:] {
			data = append(data, pack(page[:4096])...)
		}
		buffer = le.AppendUint64(le.AppendUint32(buffer, uint32(i)), uint64(len(out)))
		buffer = le.AppendUint64(buffer, uint64(len(data)-4))
		out = append(out, data...)
	}
	option(optionBuffer, buffer)
	option(optionDone, make([]byte, 8))
	le.PutUint64(out[options:], uint64(section(0, pack(list))))
	return out
}

func TestZlib(t *testing.T) {
	lines, _, buffer := show(t, build(t))
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") || buffer != "two" {
		t.Errorf("%q: %s", buffer, got)
	}
}

// TestErrors has what is wrong with a file, and where.
func TestErrors(t *testing.T) {
	v6, err := os.ReadFile("testdata/v6.dat")
	if err != nil {
		t.Fatal(err)
	}
	v7, err := os.ReadFile("testdata/v7-zstd.dat")
	if err != nil {
		t.Fatal(err)
	}
	edit := func(b []byte, old, new string) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "start, byte 0: 10 bytes are to follow, and there are 0"},
		{[]byte("no trace of it, nothing"), `start, byte 0: "no trace o", not`},
		{edit(v6, "tracing6\x00", "tracing9\x00"), `version "9"`},
		{edit(v6, "tracing6\x00\x00", "tracing6\x00\x01"), "its highest byte first"},
		{edit(v6, "\x08\x00\x10\x00\x00", "\x04\x00\x10\x00\x00"), "32 bits"},
		{edit(v6, "\x08\x00\x10\x00\x00", "\x08\x01\x00\x00\x00"), "pages of 1 bytes"},
		{edit(v6, "header_page", "header_rage"), "headers, byte 18"},
		{v6[:1000], "are to follow"},
		{edit(v6, "flyrecord", "flyrecorb"), "neither options, flyrecord nor latency"},
		{edit(v7, "zstd\x00", "lzma\x00"), `compressed by "lzma"`},
		{edit(v7, "zstd\x00", "none\x00"), "the file says that nothing is"},
		{v7[:40], "section of options"},
	} {
		_, err := Open(bytes.NewReader(c.data), int64(len(c.data)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	f, err := Open(bytes.NewReader(v6), int64(len(v6)))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"sched_process_exec": "", "sched/sched_process_exec": "", "signal:signal_generate": "", "nothing": `no event "nothing"; there are ftrace/`} {
		if _, err := f.Event(name); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for name := range files {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(build(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Open(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		n := 0
		_ = file.Each(func(r *Record) error {
			if n++; n > 1e6 {
				return fmt.Errorf("enough")
			}
			return nil
		})
	})
}

// Implements the comparison of verdicts on sockets with the kernel's, on connections of the test's own.

package objtest_test

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// connection is one over loopback, both ends.
func connection(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Skip(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

func putSocket(t *testing.T, m *ebpf.Map, key uint32, c *net.TCPConn) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var putErr error
	if err := raw.Control(func(fd uintptr) { putErr = m.Put(key, uint64(fd)) }); err != nil || putErr != nil {
		t.Skip(err, putErr)
	}
}

// received returns what arrives at a socket within a moment.
func received(c *net.TCPConn, wait time.Duration) int {
	b := make([]byte, 256)
	c.SetReadDeadline(time.Now().Add(wait))
	n, _ := c.Read(b)
	return n
}

// socketVerdicts sends texts over a connection whose socket is in the map, and says what became of each.
func socketVerdicts(t *testing.T, data []byte, name string, attach ebpf.AttachType, texts []string) (list []string, seen []uint64) {
	t.Helper()
	cs, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ebpf.NewCollection(cs)
	if err != nil {
		t.Skip(err)
	}
	defer c.Close()
	sockets := c.Maps["sockets"]
	if err := link.RawAttachProgram(link.RawAttachProgramOptions{Target: sockets.FD(), Program: c.Programs[name], Attach: attach}); err != nil {
		t.Skip(err)
	}
	defer link.RawDetachProgram(link.RawDetachProgramOptions{Target: sockets.FD(), Program: c.Programs[name], Attach: attach})
	for _, text := range texts {
		// Connections of its own: once a message is dropped, the kernel drops all that follow without asking again.
		near, far := connection(t)
		otherNear, otherFar := connection(t)
		from, to, redirected := near, far, otherNear // messages are redirected to the socket itself
		if attach == ebpf.AttachSkSKBStreamVerdict {
			from, to, redirected = far, near, otherFar // packets are sent on by it
		}
		putSocket(t, sockets, 0, near)
		putSocket(t, sockets, 1, otherNear)
		_, err := from.Write([]byte(text))
		const moment = 150 * time.Millisecond
		if n := received(to, moment); n > 0 {
			list = append(list, fmt.Sprint("pass ", n))
		} else if n := received(redirected, moment); n > 0 {
			list = append(list, fmt.Sprint("redirect ", n))
		} else {
			list = append(list, "drop")
		}
		if refused := err != nil; refused && list[len(list)-1] != "drop" {
			t.Errorf("%q was refused and arrived: %v", text, err)
		}
	}
	for i := range uint32(4) {
		var v uint64
		if err := c.Maps["seen"].Lookup(i, &v); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, v)
	}
	return list, seen
}

// TestSocketVerdicts compares what programs say of messages and of packets in streams.
func TestSocketVerdicts(t *testing.T) {
	data := objtest.Compile(t, "clang-19", filepath.Join(objtest.Sources(2), "style/verdict_sockets.c"), "-mcpu=v3", "-g", "-target", "bpfel")
	texts := []string{"hello", "Drop", "Redirect", "X marks", "Pushed", "end", "R", "ok"}
	for _, c := range []struct {
		name   string
		attach ebpf.AttachType
	}{{"message", ebpf.AttachSkMsgVerdict}, {"stream", ebpf.AttachSkSKBStreamVerdict}} {
		t.Run(c.name, func(t *testing.T) {
			want, wantSeen := socketVerdicts(t, data, c.name, c.attach, texts)
			loaded, err := elf.Load(data, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
				coll, err := skep.NewCollectionWithOptions(loaded, &skep.CollectionOptions{Only: []string{c.name}, Programs: skep.Options{Engine: engine}})
				if err != nil {
					t.Fatal(err)
				}
				for i := range uint32(2) {
					if err := coll.Maps["sockets"].Put(i, &spec.Socket{}); err != nil {
						t.Fatal(err)
					}
				}
				var got []string
				for _, text := range texts {
					o := &helper.Outcome{}
					opts := &skep.RunOptions{Packet: &spec.Packet{Data: []byte(text)}, Outcome: o, DataOut: []byte{}}
					verdict, err := coll.Programs[c.name].Run(opts)
					switch {
					case err != nil:
						t.Fatal(err)
					case verdict == 0:
						got = append(got, "drop")
					case o.Redirect.By != "":
						got = append(got, fmt.Sprint("redirect ", len(opts.DataOut)))
					default:
						got = append(got, fmt.Sprint("pass ", len(opts.DataOut)))
					}
				}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%v:\n got  %q\n want %q", engine, got, want)
				}
				for i := range uint32(4) {
					var v uint64
					if err := coll.Maps["seen"].Lookup(i, &v); err != nil || v != wantSeen[i] {
						t.Errorf("%v: seen[%d] is %d, %v, want %d", engine, i, v, err, wantSeen[i])
					}
				}
			}
		})
	}
}

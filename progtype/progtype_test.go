package progtype_test

import (
	"testing"

	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// TestLayouts checks that fields are in order, aligned, inside the structure and apart from each other, and
// pins the places that programs depend on (linux/bpf.h).
func TestLayouts(t *testing.T) {
	for typ := spec.Unspec; typ <= spec.Netfilter; typ++ {
		row := progtype.Find(typ)
		if row.Type != typ {
			t.Errorf("%s: found the row of %s", typ, row.Type)
		}
		if row.Context == nil {
			continue
		}
		end := 0
		for _, f := range row.Context.Fields {
			if f.Off < end && f.Name != "dst_port" || f.Off%min(f.Size, 8)%4 != 0 && f.Size > 1 || f.Off+f.Size > row.Context.Size {
				t.Errorf("%s.%s at %d, %d bytes, after %d of %d", row.Context.Name, f.Name, f.Off, f.Size, end, row.Context.Size)
			}
			end = f.Off + f.Size
		}
	}
	for _, c := range []struct {
		typ  spec.ProgramType
		name string
		off  int
	}{
		{spec.SocketFilter, "len", 0}, {spec.SocketFilter, "protocol", 16}, {spec.SocketFilter, "ifindex", 40}, {spec.SocketFilter, "cb", 48},
		{spec.SchedCLS, "data", 76}, {spec.SchedCLS, "data_end", 80}, {spec.SchedCLS, "data_meta", 140}, {spec.SchedCLS, "tstamp", 152}, {spec.SchedCLS, "hwtstamp", 184},
		{spec.XDP, "data", 0}, {spec.XDP, "data_end", 4}, {spec.XDP, "egress_ifindex", 20},
	} {
		found := false
		for _, f := range progtype.Find(c.typ).Context.Fields {
			found = found || f.Name == c.name && f.Off == c.off
		}
		if !found {
			t.Errorf("%s: %s is not at %d", c.typ, c.name, c.off)
		}
	}
}

func TestWritable(t *testing.T) {
	skb, tc, xdp := progtype.Find(spec.SocketFilter).Context, progtype.Find(spec.SchedCLS).Context, progtype.Find(spec.XDP).Context
	for _, c := range []struct {
		l         *progtype.Layout
		off, size int
		want      bool
	}{
		{skb, 48, 4, true}, {skb, 64, 4, true}, {skb, 64, 8, false}, {skb, 60, 8, true}, {skb, 0, 4, false}, {skb, 8, 4, false}, {tc, 8, 4, true}, {tc, 152, 8, true},
		{skb, 4, 8, false}, {skb, 190, 8, false}, {skb, 76, 4, false}, {xdp, 0, 4, false}, {xdp, 24, 4, false},
	} {
		if got := c.l.Writable(c.off, c.size); got != c.want {
			t.Errorf("%s: %d bytes at %d writable: %v", c.l.Name, c.size, c.off, got)
		}
	}
}

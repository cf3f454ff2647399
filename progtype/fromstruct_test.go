package progtype_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/skepbpf/skep/progtype"
)

type address struct {
	Port uint16
	Host [4]byte
}

type request struct {
	Kind    uint8
	Data    uint64 `bpf:"data"`
	DataEnd uint64 `bpf:"data_end"`
	From    address
	Score   int32 `bpf:"points,rw"`
	Secret  uint16
	Hidden  bool `bpf:",-"`
	IfIndex [3]uint32
}

func TestFromStruct(t *testing.T) {
	typ, err := progtype.FromStruct(request{})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		name      string
		off, size int
		value     progtype.Value
	}
	var got []row
	for _, f := range typ.Context.Fields {
		got = append(got, row{f.Name, f.Off, f.Size, f.Value})
	}
	want := []row{{"kind", 0, 1, progtype.Scalar}, {"data", 8, 8, progtype.PacketStart}, {"data_end", 16, 8, progtype.PacketEnd},
		{"from.port", 24, 2, progtype.Scalar}, {"from.host", 26, 4, progtype.Scalar}, {"points", 32, 4, progtype.Scalar}, {"secret", 36, 2, progtype.Scalar},
		{"hidden", 38, 1, progtype.Scalar}, {"if_index", 40, 12, progtype.Scalar}}
	if !reflect.DeepEqual(got, want) || typ.Context.Size != 56 || typ.Context.Name != "request" || !typ.Packet || !typ.Rewrite {
		t.Errorf("got %v, %d bytes", got, typ.Context.Size)
	}
	for _, c := range []struct {
		off, size   int
		read, write bool
	}{{0, 1, true, false}, {1, 1, false, false}, {8, 8, true, false}, {8, 4, false, false}, {24, 2, true, false}, {24, 4, false, false},
		{26, 2, true, false}, {32, 4, true, true}, {34, 2, true, true}, {34, 4, false, false}, {38, 1, false, false}, {40, 8, true, false}, {48, 8, false, false}, {52, 4, false, false}} {
		r, _ := typ.Context.Access(0, c.off, c.size, false)
		w, _ := typ.Context.Access(0, c.off, c.size, true)
		if (r != nil) != c.read || (w != nil) != c.write {
			t.Errorf("%d bytes at %d: read %v, write %v", c.size, c.off, r, w)
		}
	}
}

func TestFromStructBytes(t *testing.T) {
	in := request{Kind: 7, Data: 1, From: address{0x1234, [4]byte{1, 2, 3, 4}}, Score: -2, Hidden: true, IfIndex: [3]uint32{1, 0, 0xdeadbeef}}
	data, err := progtype.Encode(&in)
	if err != nil || len(data) != 56 || !bytes.Equal(data[24:36], []byte{0x34, 0x12, 1, 2, 3, 4, 0, 0, 0xfe, 0xff, 0xff, 0xff}) {
		t.Fatalf("% x, %v", data, err)
	}
	var out request
	if err := progtype.Decode(data, &out); err != nil || out != in {
		t.Errorf("got %+v, %v", out, err)
	}
	if err := progtype.Decode(data[1:], &out); err == nil {
		t.Error("too few bytes are accepted")
	}
	if err := progtype.Decode(data, out); err == nil {
		t.Error("a value that cannot change is accepted")
	}
}

func TestFromStructWrong(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "a struct"}, {3, "a struct"},
		{struct{ P *int }{}, "field P: a context cannot have a *int"},
		{struct{ N int }{}, "field N"},
		{struct{ S struct{ F float64 } }{}, "field S: F"},
		{struct {
			D uint16 `bpf:"data"`
		}{}, "an address is a uint32 or a uint64"},
		{struct {
			D uint16 `bpf:"x,wo"`
		}{}, `unknown option "wo"`},
		{struct{ A [1 << 20]uint64 }{}, "more than"},
		{struct{ A, B [1 << 15]uint16 }{}, "at most"},
	} {
		if _, err := progtype.FromStruct(c.v); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: got %v, want %q", c.v, err, c.want)
		}
	}
}

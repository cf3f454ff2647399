package skep_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/spec"
)

// Packets that helpers are tried on.
func helperPackets() map[string][]byte {
	ethernet := func(dst byte, proto ...byte) []byte {
		return append([]byte{dst, 2, 3, 4, 5, 6, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc}, proto...)
	}
	fill := func(b []byte, n int) []byte {
		for len(b) < n {
			b = append(b, byte(len(b)*7+1))
		}
		return b
	}
	ip4 := append(ethernet(2, 8, 0), 0x45, 1, 0, 86, 0, 1, 0, 0, 64, 6, 0x12, 0x34, 10, 0, 0, 1, 10, 0, 0, 2)
	ip6 := append(ethernet(0x33, 0x86, 0xdd), 0x60, 0x10, 0, 0, 0, 46, 17, 64)
	tagged := append(ethernet(0xff, 0x81, 0, 0x20, 5, 0x88, 0xa8, 0x30, 6, 8, 0), ip4[14:]...)
	if testing.Short() {
		return map[string][]byte{"ipv4": fill(ip4, 100), "tagged": fill(tagged, 140)}
	}
	return map[string][]byte{"ipv4": fill(ip4, 100), "ipv6": fill(ip6, 118), "tagged": fill(tagged, 140),
		"arp": fill(ethernet(0xff, 8, 6), 42), "length": fill(ethernet(2, 0, 50), 64), "zeros": append(ethernet(0, 8, 0), make([]byte, 86)...)}
}

// helperCall is a call of a helper with some values for each argument: asm operands. "ctx" is the context, "fp-N" an
// address on the stack, of which the 128 bytes below its top are filled.
type helperCall struct {
	name string
	args [][]string
}

// combinations returns all choices of arguments.
func (c helperCall) combinations() [][]string {
	all := [][]string{nil}
	for _, values := range c.args {
		var next [][]string
		for _, head := range all {
			for _, v := range values {
				next = append(next, append(head[:len(head):len(head)], v))
			}
		}
		all = next
	}
	return all
}

// helperProgram returns a program that makes calls one after the other, puts the fields at the given places of the context onto the
// stack and, by the helper store, 128 bytes of the stack into the packet, and returns the last result.
func helperProgram(calls []string, fields []int, store string) string {
	var b strings.Builder
	b.WriteString("r6 = r1\nr9 = r1\n")
	for off := 8; off <= 128; off += 8 {
		fmt.Fprintf(&b, "r1 = %d\n*(u64 *)(r10 - %d) = r1\n", off*0x01020304, off)
	}
	for _, c := range calls {
		b.WriteString(c)
		b.WriteString("r7 = r0\n")
	}
	at := 128
	for _, f := range fields {
		load, size := "u32", 4
		switch f {
		case 152:
			load, size = "u64", 8
		case 180:
			load = "u8"
		}
		fmt.Fprintf(&b, "r1 = *(%s *)(r6 + %d)\n*(u%d *)(r10 - %d) = r1\n", load, f, 8*size, at)
		at -= size
	}
	if store != "" {
		fmt.Fprintf(&b, "r1 = r6\nr2 = 0\nr3 = r10\nr3 += -128\nr4 = 64\n")
		if store == "skb_store_bytes" {
			b.WriteString("r5 = 0\n")
		}
		fmt.Fprintf(&b, "call %s\n", store)
	}
	b.WriteString("r0 = r7\nexit\n")
	return b.String()
}

func callText(name string, args []string) string {
	var b strings.Builder
	for i, a := range args {
		switch {
		case a == "ctx":
			a = "r6"
		case strings.HasPrefix(a, "fp-"):
			fmt.Fprintf(&b, "r%d = r10\nr%d += -%s\n", i+1, i+1, a[3:])
			continue
		}
		if len(a) > 8 && strings.HasPrefix(a, "0x") {
			a += " ll"
		}
		fmt.Fprintf(&b, "r%d = %s\n", i+1, a)
	}
	return b.String() + "call " + name + "\n"
}

// tcFields are fields of struct __sk_buff that helpers change.
var tcFields = []int{0, 4, 16, 20, 24, 28, 44, 180, 152}

// compareWithKernel runs a program in the kernel and on both engines, and compares results and packets.
func compareWithKernel(t *testing.T, typ spec.ProgramType, text string, packet []byte) bool {
	t.Helper()
	p, err := asm.Assemble("helpers", text, &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	p.Name, p.Type, p.License = "helpers", typ, "GPL"
	k, err := kernel.Load(p, nil, &kernel.Options{HelperID: helper.ID, Log: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, callsOf(text))
	}
	defer k.Close()
	want, err := k.Run(packet, nil, 1)
	if err != nil {
		t.Logf("the kernel does not run it: %v", err)
		return true
	}
	meta := spec.Ethernet(packet, [6]byte{})
	meta.IfIndex = 1
	if typ == spec.LWTXmit {
		meta.Data, meta.NetworkOffset = packet[14:], 0
		if len(want.Data) >= 14 {
			want.Data = want.Data[14:]
		}
	}
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineJIT} {
		prog, err := skep.Load(p, &skep.Options{Engine: engine, Unverified: true})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		opts := &skep.RunOptions{Packet: &meta, DataOut: []byte{}}
		res, err := prog.RunContext(t.Context(), opts)
		if err != nil {
			t.Fatalf("%s: %v\n%s", engine, err, text)
		}
		r0 := uint32(res.R0)
		if len(want.Data) == len(opts.DataOut) {
			// In the kernel metadata that nobody has written is what its memory held before.
			clear(want.Data[:res.Meta])
			clear(opts.DataOut[:res.Meta])
		}
		if r0 != want.Retval || !bytes.Equal(opts.DataOut, want.Data) {
			t.Errorf("%s: result %d, the kernel's is %d; packets (%d and %d bytes):\n% x\n% x\n%s", engine, int32(r0), int32(want.Retval), len(opts.DataOut), len(want.Data), opts.DataOut, want.Data, callsOf(text))
			return false
		}
	}
	return true
}

// callsOf returns the part of a program that matters.
func callsOf(text string) string {
	_, rest, _ := strings.Cut(text, "*(u64 *)(r10 - 128) = r1\n")
	return rest
}

var tcCalls = []helperCall{
	{"skb_load_bytes", [][]string{{"ctx"}, {"0", "14", "95", "0x7fffffff", "0x80000000", "-1"}, {"fp-64"}, {"1", "6", "64"}}},
	{"skb_load_bytes_relative", [][]string{{"ctx"}, {"0", "30", "65535", "65536"}, {"fp-64"}, {"20", "60"}, {"0", "1", "2"}}},
	{"skb_store_bytes", [][]string{{"ctx"}, {"0", "20", "64", "0x7fffffff", "-4"}, {"fp-32"}, {"4", "30"}, {"0", "1", "2", "3", "4"}}},
	{"skb_pull_data", [][]string{{"ctx"}, {"0", "10", "64", "118", "5000"}}},
	{"l3_csum_replace", [][]string{{"ctx"}, {"24", "25", "16", "0x10000", "200"}, {"0", "0x1234", "0xffff", "0x12345678"}, {"0", "0xffff", "0x89abcdef"}, {"0", "2", "4", "3", "0x10"}}},
	{"l4_csum_replace", [][]string{{"ctx"}, {"50", "40", "51"}, {"0", "0x1234", "0x12345678"}, {"0", "0xffff", "0x89abcdef"}, {"0", "2", "4", "0x12", "0x14", "0x22", "0x32", "0x60", "0x80", "0x100"}}},
	{"csum_diff", [][]string{{"fp-64"}, {"0", "4", "12", "32", "6"}, {"fp-128"}, {"0", "4", "64", "5"}, {"0", "0xffff", "0x12345678", "0xffffffff"}}},
	{"csum_update", [][]string{{"ctx"}, {"0x1234"}}},
	{"csum_level", [][]string{{"ctx"}, {"0", "1", "2", "3", "4"}}},
	{"skb_change_head", [][]string{{"ctx"}, {"0", "14", "60", "15900", "16064", "-1"}, {"0", "1"}}},
	{"skb_change_tail", [][]string{{"ctx"}, {"0", "13", "14", "20", "64", "99", "150", "2000", "16064", "16065"}, {"0", "1"}}},
	{"skb_change_proto", [][]string{{"ctx"}, {"0x8", "0xdd86", "0x81"}, {"0", "1"}}},
	{"skb_change_type", [][]string{{"ctx"}, {"0", "1", "2", "3", "4"}}},
	{"skb_adjust_room", [][]string{{"ctx"}, {"0", "8", "20", "40", "-8", "-20", "-40", "-60", "-90", "4095", "4096"}, {"0", "1", "2"},
		{"0", "1", "2", "4", "6", "0x0a", "0x12", "0x0c", "0x20", "0x80", "0x100", "0x180", "0x42", "0x0e00000000000042", "0x1000000000000002", "0x200"}}},
	{"skb_vlan_push", [][]string{{"ctx"}, {"0x81", "0xa888", "0x1"}, {"0", "5", "0xffff"}}},
	{"skb_vlan_pop", [][]string{{"ctx"}}},
	{"skb_ecn_set_ce", [][]string{{"ctx"}}},
	{"skb_set_tstamp", [][]string{{"ctx"}, {"0", "1234567"}, {"0", "1", "2", "3"}}},
	{"set_hash", [][]string{{"ctx"}, {"0", "0x12345678"}}},
	{"set_hash_invalid", [][]string{{"ctx"}}},
	{"skb_set_tunnel_key", [][]string{{"ctx"}, {"fp-64"}, {"44", "28", "24", "22", "8", "12"}, {"0", "1", "2", "4", "8", "16", "32"}}},
	{"skb_get_tunnel_key", [][]string{{"ctx"}, {"fp-64"}, {"44", "8"}, {"0", "1"}}},
	{"skb_set_tunnel_opt", [][]string{{"ctx"}, {"fp-64"}, {"8", "6"}}},
	{"skb_get_tunnel_opt", [][]string{{"ctx"}, {"fp-64"}, {"8"}}},
	{"redirect", [][]string{{"1", "7"}, {"0", "1", "2"}}},
	{"redirect_peer", [][]string{{"1"}, {"0", "1"}}},
	{"redirect_neigh", [][]string{{"1"}, {"fp-64"}, {"0", "8", "20", "24"}, {"0", "1"}}},
	{"clone_redirect", [][]string{{"ctx"}, {"77"}, {"0", "1", "4"}}},
	{"check_mtu", [][]string{{"ctx"}, {"0", "1", "9"}, {"fp-64"}, {"0", "10", "70000", "-50"}, {"0", "1", "2"}}},
	{"fib_lookup", [][]string{{"ctx"}, {"fp-64"}, {"63", "64"}, {"0", "1", "64"}}},
	{"get_route_realm", [][]string{{"ctx"}}},
	{"skb_get_xfrm_state", [][]string{{"ctx"}, {"0"}, {"fp-64"}, {"28"}, {"0"}}},
}

// TestHelpersTC compares helpers of tc programs with the kernel's, call by call.
func TestHelpersTC(t *testing.T) {
	needKernel(t)
	compared := 0
	for _, c := range tcCalls {
		t.Run(c.name, func(t *testing.T) {
			for name, packet := range helperPackets() {
				for _, args := range c.combinations() {
					for _, store := range []string{"skb_store_bytes", ""} {
						text := helperProgram([]string{callText(c.name, args)}, tcFields, store)
						compared++
						if !compareWithKernel(t, spec.SchedCLS, text, packet) {
							t.Fatalf("%s %v on %s", c.name, args, name)
						}
					}
				}
			}
		})
	}
	t.Logf("%d calls compared", compared)
}

var xdpCalls = []helperCall{
	{"xdp_adjust_head", [][]string{{"ctx"}, {"0", "4", "14", "86", "87", "200", "-4", "-14", "-100", "-216", "-217", "0x7fffffff", "-2147483648"}}},
	{"xdp_adjust_tail", [][]string{{"ctx"}, {"0", "-1", "-50", "-86", "-87", "-200", "1", "100", "3000", "3420", "3421", "0x7fffffff"}}},
	{"xdp_adjust_meta", [][]string{{"ctx"}, {"0", "-4", "-32", "-33", "-64", "-216", "-220", "-252", "-256", "4", "0x7fffffff"}}},
	{"xdp_get_buff_len", [][]string{{"ctx"}}},
	{"xdp_load_bytes", [][]string{{"ctx"}, {"0", "14", "90", "65535", "65536", "-1"}, {"fp-64"}, {"1", "10", "64"}}},
	{"xdp_store_bytes", [][]string{{"ctx"}, {"0", "14", "90", "65535", "65536", "-1"}, {"fp-64"}, {"1", "10", "64"}}},
	{"csum_diff", [][]string{{"fp-64"}, {"0", "12", "7"}, {"fp-128"}, {"0", "64", "3"}, {"0", "0xffff"}}},
	{"check_mtu", [][]string{{"ctx"}, {"0", "1", "9"}, {"fp-64"}, {"0", "10", "70000", "-50"}, {"0", "1"}}},
	{"fib_lookup", [][]string{{"ctx"}, {"fp-64"}, {"63", "64"}, {"0", "1", "64"}}},
	{"redirect", [][]string{{"1", "7"}, {"0", "1"}}},
}

// TestHelpersXDP compares helpers of XDP programs with the kernel's.
func TestHelpersXDP(t *testing.T) {
	needKernel(t)
	compared := 0
	for _, c := range xdpCalls {
		t.Run(c.name, func(t *testing.T) {
			for name, packet := range helperPackets() {
				for _, args := range c.combinations() {
					for _, store := range []string{"xdp_store_bytes", ""} {
						compared++
						if !compareWithKernel(t, spec.XDP, helperProgram([]string{callText(c.name, args)}, nil, store), packet) {
							t.Fatalf("%s %v on %s", c.name, args, name)
						}
					}
				}
			}
		})
	}
	t.Logf("%d calls compared", compared)
}

// TestHelperSequences compares random calls one after the other with the kernel's.
func TestHelperSequences(t *testing.T) {
	needKernel(t)
	r := rand.New(rand.NewPCG(1, 2))
	packets := helperPackets()
	names := slices.Sorted(maps.Keys(packets))
	compared, rounds := 0, 3000
	if testing.Short() {
		rounds = 300
	}
	for n := range rounds {
		typ, table, fields, store := spec.SchedCLS, tcCalls, tcFields, "skb_store_bytes"
		if n%3 == 0 {
			typ, table, fields, store = spec.XDP, xdpCalls, nil, "xdp_store_bytes"
		}
		var calls []string
		for range 2 + r.IntN(5) {
			c := table[r.IntN(len(table))]
			var args []string
			for _, values := range c.args {
				args = append(args, values[r.IntN(len(values))])
			}
			calls = append(calls, callText(c.name, args))
		}
		if n%2 == 0 {
			store = ""
		}
		compared += len(calls)
		if !compareWithKernel(t, typ, helperProgram(calls, fields, store), packets[names[r.IntN(len(names))]]) {
			t.FailNow()
		}
	}
	t.Logf("%d calls compared in %d programs", compared, rounds)
}

func needKernel(t testing.TB) {
	t.Helper()
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
}

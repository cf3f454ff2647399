package verify_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/spec"
)

// packetAhead loads the packet's first 64 bytes into reach, for programs of type xdp: R2 is its start.
const packetAhead = "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr4 = r2\nr4 += 64\nr0 = 0\nif r4 > r3 goto out\n"

// wrong goes wrong where it is reached.
const wrong = "\nr0 = *(u8 *)(r2 + 64)\nout: exit"

// TestExamplesThatExist has programs that go wrong for some input, behind conditions of many kinds.
func TestExamplesThatExist(t *testing.T) {
	_, maps := verify.Cases(t, "testdata/errors.bpf")
	lookup := "*(u32 *)(r10 - 4) = 2\nr1 = map[hash]\nr2 = r10\nr2 += -4\ncall map_lookup_elem\nif r0 == 0 goto out\n"
	for name, c := range map[string]struct {
		typ  spec.ProgramType
		text string
	}{
		"a number of two bytes": {spec.XDP, packetAhead + "r5 = *(u16 *)(r2 + 12)\nif r5 != 8 goto out" + wrong},
		"big endian":            {spec.XDP, packetAhead + "r5 = *(u32 *)(r2 + 26)\nr5 = be32 r5\nif r5 != 0x0a000001 goto out" + wrong},
		"put together":          {spec.XDP, packetAhead + "r5 = *(u8 *)(r2 + 12)\nr5 <<= 8\nr6 = *(u8 *)(r2 + 13)\nr5 |= r6\nif r5 != 0x86dd goto out" + wrong},
		"arithmetic":            {spec.XDP, packetAhead + "r5 = *(u32 *)(r2 + 16)\nw5 *= 7\nr5 ^= 0x55\nr5 -= 100\nif r5 != 0x1234 goto out" + wrong},
		"a quotient":            {spec.XDP, packetAhead + "r5 = *(u32 *)(r2 + 16)\nr5 /= 1000\nif r5 != 77 goto out" + wrong},
		"a remainder":           {spec.XDP, packetAhead + "r5 = *(u32 *)(r2 + 16)\nr5 %= 1000\nif r5 != 77 goto out" + wrong},
		"bits":                  {spec.XDP, packetAhead + "r5 = *(u32 *)(r2 + 16)\nif r5 & 0x10 goto go\ngoto out\ngo: if r5 & 4 goto out\nr5 >>= 20\nif r5 != 3 goto out" + wrong},
		"signed":                {spec.XDP, packetAhead + "r5 = *(s16 *)(r2 + 16)\nif r5 s> -100 goto out\nif r5 s< -103 goto out" + wrong},
		"two that are equal":    {spec.XDP, packetAhead + "r5 = *(u32 *)(r2 + 16)\nr6 = *(u32 *)(r2 + 20)\nif r5 != r6 goto out\nif r5 == 0 goto out" + wrong},
		"32 bits":               {spec.XDP, packetAhead + "r5 = *(u64 *)(r2 + 16)\nif w5 != 0x11223344 goto out\nr5 >>= 32\nif r5 != 9 goto out" + wrong},
		"many":                  {spec.XDP, packetAhead + manyBytes() + wrong},
		"a place in the packet": {spec.XDP, packetAhead + "r5 = *(u8 *)(r2 + 14)\nr5 &= 15\nif r5 < 5 goto out\nr5 <<= 2\nr6 = r2\nr6 += r5\nr7 = r6\nr7 += 20\nif r7 > r3 goto out\nr8 = *(u16 *)(r6 + 2)\nif r8 != 0x5000 goto out" + wrong},
		"saved on the stack":    {spec.XDP, packetAhead + "r5 = *(u32 *)(r2 + 16)\n*(u32 *)(r10 - 8) = r5\nr5 = *(u16 *)(r10 - 6)\nif r5 != 0xabcd goto out" + wrong},
		"in a function":         {spec.XDP, packetAhead + "r6 = r2\nr1 = *(u32 *)(r2 + 16)\ncall f\nr2 = r6\nif r0 != 50 goto out" + wrong + "\nf: r0 = r1\nr0 += 8\nexit"},
		"a loop":                {spec.XDP, packetAhead + "r5 = 0\nr6 = 0\nr7 = r2\nagain: r8 = *(u8 *)(r7 + 0)\nr6 += r8\nr7 += 1\nr5 += 1\nif r5 != 8 goto again\nif r6 != 1000 goto out" + wrong},
		"metadata":              {spec.SchedCLS, "r2 = *(u32 *)(r1 + 8)\nr0 = 0\nif r2 != 7 goto out\nr3 = *(u32 *)(r1 + 32)\nif r3 != 0x50000 goto out\nr0 = *(u8 *)(r0 + 0)\nout: exit"},
		"the packet's length":   {spec.SocketFilter, "r2 = *(u32 *)(r1 + 0)\nr0 = 0\nif r2 != 777 goto out\nr0 = *(u8 *)(r0 + 0)\nout: exit"},
		"what a map holds":      {spec.SocketFilter, lookup + "r1 = *(u32 *)(r0 + 8)\nif r1 != 12345 goto out\nr1 = 0\nr0 = *(u8 *)(r1 + 0)\nout: r0 = 0\nexit"},
		"a variable":            {spec.SocketFilter, "r1 = map[data][0]+4\nr0 = *(u32 *)(r1 + 0)\nif r0 != 99 goto out\nr1 = 0\nr0 = *(u8 *)(r1 + 0)\nout: r0 = 0\nexit"},
		"chance":                {spec.SocketFilter, "call get_prandom_u32\nif w0 != 0x1234567 goto out\nr1 = 0\nr0 = *(u8 *)(r1 + 0)\nout: r0 = 0\nexit"},
		"time":                  {spec.SocketFilter, "call ktime_get_ns\nr6 = r0\ncall ktime_get_ns\nr0 -= r6\nif r0 != 5000 goto out\nr1 = 0\nr0 = *(u8 *)(r1 + 0)\nout: r0 = 0\nexit"},
		"an argument":           {spec.Kprobe, "r2 = *(u64 *)(r1 + 112)\nr0 = 0\nif r2 != 4242 goto out\nr0 = *(u8 *)(r0 + 0)\nout: exit"},
		"no room in a ring":     {spec.SocketFilter, "r1 = map[ring]\nr2 = 8\nr3 = 0\ncall ringbuf_reserve\nr6 = r0\n*(u64 *)(r6 + 0) = 1\nr1 = r6\nr2 = 0\ncall ringbuf_submit\nr0 = 0\nexit"},
		"packet loads":          {spec.SocketFilter, "r6 = r1\nr0 = *(u16 *)skb[12]\nif r0 != 0x800 goto out\nr0 = *(u8 *)skb[23]\nif r0 != 17 goto out\nr1 = 0\nr0 = *(u8 *)(r1 + 0)\nout: r0 = 0\nexit"},
		"a round too many":      {spec.SocketFilter, "r2 = *(u32 *)(r1 + 0)\nr3 = r10\nr3 += -16\nr4 = 0\nagain: *(u8 *)(r3 + 0) = 1\nr3 += 1\nr4 += 1\nif r4 < r2 goto again\nr0 = 0\nexit"},
		"behind a value":        {spec.SocketFilter, lookup + "r6 = *(u32 *)(r0 + 0)\nif r6 > 30 goto out\nr0 += r6\nr0 = *(u8 *)(r0 + 0)\nout: r0 = 0\nexit"},
		"ahead of a value":      {spec.SocketFilter, lookup + "r6 = *(u8 *)(r0 + 0)\nr6 += -4\nif r6 s> 8 goto out\nr0 += r6\nr0 = *(u8 *)(r0 + 0)\nout: r0 = 0\nexit"},
		"behind a record":       {spec.SocketFilter, "r1 = map[ring]\nr2 = 16\nr3 = 0\ncall ringbuf_reserve\nif r0 == 0 goto out\nr6 = r0\n*(u64 *)(r6 + 16) = 1\nr1 = r6\nr2 = 0\ncall ringbuf_submit\nout: r0 = 0\nexit"},
		"a function's result":   {spec.SocketFilter, "r1 = *(u32 *)(r1 + 0)\nr2 = func[body]\nr3 = 0\nr4 = 0\ncall loop\nr0 = 0\nexit\nbody: r0 = 0\nif r1 != 5 goto out\nr0 = 2\nout: exit"},
		"a copied header":       {spec.SocketFilter, "r6 = r1\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 14\ncall skb_load_bytes\nif r0 != 0 goto out\nr0 = *(u16 *)(r10 - 4)\nif r0 != 8 goto out\nr1 = 0\nr0 = *(u8 *)(r1 + 0)\nout: r0 = 0\nexit"},
	} {
		p, err := asm.Assemble(name, c.text, &asm.Options{Helper: helper.ID})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.Name, p.Type, p.License = "p", c.typ, "GPL"
		x, err := skep.FindExample(p, maps, &skep.ExampleOptions{Time: 2 * time.Second})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, err := json.Marshal(x)
		if err != nil {
			t.Fatal(err)
		}
		var y skep.Example
		if err := json.Unmarshal(text, &y); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		t.Logf("%s: %s", name, text)
		shown(t, &y, p, maps, skep.EngineInterp)
		shown(t, &y, p, maps, skep.EngineJIT)
	}
}

// manyBytes compares many bytes of the packet one after the other.
func manyBytes() string {
	var b strings.Builder
	for i := range 30 {
		b.WriteString("r5 = *(u8 *)(r2 + " + string(rune('0'+i/10)) + string(rune('0'+i%10)) + ")\nr5 ^= 0x5a\nif r5 != " + string(rune('1'+i%9)) + " goto out\n")
	}
	return b.String()
}

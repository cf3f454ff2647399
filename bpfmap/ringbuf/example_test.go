package ringbuf_test

import (
	"fmt"
	"log"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/bpfmap/ringbuf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// What programs put into a ring buffer is read as with cilium/ebpf.
func Example() {
	p, err := asm.Assemble("hello.bpf", `
		*(u32 *)(r10 - 8) = 0x6c6c6568
		*(u32 *)(r10 - 4) = 0x6f
		r1 = map[ring]
		r2 = r10
		r2 += -8
		r3 = 5
		r4 = 0
		call ringbuf_output
		r0 = 0
		exit`, &asm.Options{Helper: helper.ID})
	if err != nil {
		log.Fatal(err)
	}
	p.Type = spec.XDP
	coll, err := skep.NewCollection(&spec.Collection{Maps: []spec.Map{{Name: "ring", Type: spec.RingBuf, MaxEntries: 4096}}, Programs: []spec.Program{*p}})
	if err != nil {
		log.Fatal(err)
	}
	defer coll.Close()
	r, err := ringbuf.NewReader(coll.Maps["ring"])
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	for _, prog := range coll.Programs {
		if _, err := prog.Run(nil); err != nil {
			log.Fatal(err)
		}
	}
	record, err := r.Read()
	fmt.Printf("%s %v\n", record.RawSample, err)
	// Output: hello <nil>
}

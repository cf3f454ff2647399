// Implements the rows of calls that run a small filter on one packet.

package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/gopacket/gopacket"
	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench/cpeer"
	"github.com/skepbpf/skep/filter"
)

// batchPackets is how many packets a batch of the table of calls has.
const batchPackets = 256

// ipv4Filter is the filter: it accepts IPv4, all of the packet. That by hand is the same.
var ipv4Filter = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 12, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x800, SkipTrue: 1},
	bpf.RetConstant{Val: math.MaxUint32},
	bpf.RetConstant{Val: 0},
}

// ipv4Packet is a packet that it accepts.
var ipv4Packet = slices.Concat(make([]byte, 12), []byte{8, 0}, make([]byte, 46))

// accepting returns the callers if the verdict on ipv4Packet is the right one.
func accepting(c *callers, verdict uint64) (*callers, error) {
	if uint32(verdict) != math.MaxUint32 {
		return nil, fmt.Errorf("the verdict is %d, not %d", verdict, uint32(math.MaxUint32))
	}
	return c, nil
}

func loadIPv4() (*filter.Filter, error) {
	raw, err := bpf.Assemble(ipv4Filter)
	if err != nil {
		return nil, err
	}
	return filter.New(raw, &skep.Options{Engine: skep.EngineJIT})
}

func filterByHand() (*callers, error) {
	match := byHand["ip"]
	return accepting(&callers{calls: 1, run: func(n int) {
		for range n {
			match(ipv4Packet)
		}
	}}, uint64(match(ipv4Packet)))
}

func filterXNet() (*callers, error) {
	vm, err := bpf.NewVM(ipv4Filter)
	if err != nil {
		return nil, err
	}
	v, err := vm.Run(ipv4Packet)
	if err != nil {
		return nil, err
	}
	return accepting(&callers{calls: 1, run: func(n int) {
		for range n {
			vm.Run(ipv4Packet)
		}
	}}, uint64(v))
}

func filterMatch() (*callers, error) {
	f, err := loadIPv4()
	if err != nil {
		return nil, err
	}
	return accepting(&callers{calls: 1, run: func(n int) {
		for range n {
			f.Match(ipv4Packet)
		}
	}}, uint64(f.Verdict(ipv4Packet)))
}

func filterMatches() (*callers, error) {
	f, err := loadIPv4()
	if err != nil {
		return nil, err
	}
	ci := gopacket.CaptureInfo{CaptureLength: len(ipv4Packet), Length: len(ipv4Packet)}
	return accepting(&callers{calls: 1, run: func(n int) {
		for range n {
			f.Matches(ci, ipv4Packet)
		}
	}}, uint64(f.Verdict(ipv4Packet)))
}

// filterCgo calls libpcap's filter machine once for each packet. gopacket's own package for that needs libpcap's
// headers to be built, and does no less.
func filterCgo() (*callers, error) {
	raw, err := bpf.Assemble(ipv4Filter)
	if err != nil {
		return nil, err
	}
	run, err := cpeer.FilterOne(raw)
	if err != nil {
		return nil, err
	}
	return accepting(&callers{calls: 1, run: func(n int) {
		for range n {
			run(ipv4Packet)
		}
	}}, uint64(run(ipv4Packet)))
}

func filterInstance() (*callers, error) {
	f, err := loadIPv4()
	if err != nil {
		return nil, err
	}
	inst := f.Program().NewInstance()
	v, err := inst.Run(ipv4Packet)
	if err != nil {
		return nil, err
	}
	return accepting(&callers{calls: 1, run: func(n int) {
		for range n {
			inst.Run(ipv4Packet)
		}
	}}, v)
}

func filterBatch() (*callers, error) {
	f, err := loadIPv4()
	if err != nil {
		return nil, err
	}
	inst, packets, verdicts := f.Program().NewInstance(), make([][]byte, batchPackets), make([]uint32, batchPackets)
	for i := range packets {
		packets[i] = ipv4Packet
	}
	if n, err := inst.RunBatch(packets, verdicts); n != batchPackets || err != nil {
		return nil, fmt.Errorf("%d of %d packets judged: %v", n, batchPackets, err)
	}
	return accepting(&callers{calls: batchPackets, run: func(n int) {
		for range n {
			inst.RunBatch(packets, verdicts)
		}
	}}, uint64(slices.Min(verdicts)))
}

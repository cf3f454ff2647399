package skep_test

import (
	"encoding/binary"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// portSet makes a program that tells whether the port in the first two bytes of its data is one of those
// given, by comparisons alone: a binary search turned into code.
func portSet(ports []uint16) *spec.Program {
	ports = slices.Clone(ports)
	slices.Sort(ports)
	code := []isa.Instruction{
		isa.Ldx16.Make(isa.R1, isa.R1, 0, 0), // r1 = *(u16 *)(r1 + 0)
		isa.BE16.Make(isa.R1, 0, 0, 0),       // r1 = be16 r1
	}
	answer := func(v int32) {
		code = append(code, isa.Mov64Imm.Make(isa.R0, 0, 0, v), isa.Exit.Make(0, 0, 0, 0))
	}
	var search func(ports []uint16)
	search = func(ports []uint16) {
		if len(ports) == 0 {
			answer(0)
			return
		}
		mid := len(ports) / 2
		code = append(code, isa.JNe64Imm.Make(isa.R1, 0, 2, int32(ports[mid])))
		answer(1)
		less := len(code)
		code = append(code, isa.Instruction{}) // a jump whose length is not known yet
		search(ports[mid+1:])
		code[less] = isa.JLt64Imm.Make(isa.R1, 0, int16(len(code)-less-1), int32(ports[mid]))
		search(ports[:mid])
	}
	search(slices.Compact(ports))
	return &spec.Program{Name: "port_set", Insns: code}
}

// BPF as the last step of an optimisation: a table that is known at run time becomes machine code.
func Example_generate() {
	prog, err := skep.Load(portSet([]uint16{443, 53, 80, 8080}), nil)
	if err != nil {
		log.Fatal(err)
	}
	inst := prog.NewInstance()
	for _, port := range []uint16{80, 81, 8080, 0, 65535} {
		in, err := inst.Run(binary.BigEndian.AppendUint16(nil, port))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(port, in == 1)
	}
	// Output:
	// 80 true
	// 81 false
	// 8080 true
	// 0 false
	// 65535 false
}

func TestMissionS49GenericAssembler(t *testing.T) {
	rng := rand.New(rand.NewPCG(49, 0))
	for _, n := range []int{0, 1, 2, 7, 300} {
		ports := make([]uint16, n)
		for i := range ports {
			ports[i] = uint16(rng.Uint32())
		}
		each(t, portSet(ports), skep.Options{}, func(t *testing.T, prog *skep.Program) {
			inst := prog.NewInstance()
			var data [2]byte
			for port := range 1 << 16 {
				binary.BigEndian.PutUint16(data[:], uint16(port))
				got, err := inst.Run(data[:])
				if want := slices.Contains(ports, uint16(port)); err != nil || (got == 1) != want {
					t.Fatalf("port %d of %v: %d, %v", port, ports, got, err)
				}
			}
		})
	}
}

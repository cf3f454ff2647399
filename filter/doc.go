// Package filter runs classic BPF filters: the programs that tcpdump -ddd prints, bpf_asm assembles and
// SO_ATTACH_FILTER takes. It checks them with the kernel's rules, translates them to internal BPF and runs
// that, the way the kernel does.
//
// A Filter answers yes or no for packets, from any number of goroutines:
//
//	f, err := filter.New(prog, nil)
//	if err != nil { … }
//	if f.Match(packet) { … }
//
// Compile makes one from an expression of tcpdump's language, and VerdictBatch judges many packets at once:
//
//	f, err := filter.Compile("tcp port 443 and not host 10.0.0.1", nil)
//	if err != nil { … }
//	f.VerdictBatch(packets, verdicts)
//
// Matches takes packets as gopacket hands them out.
//
// A VM is a drop-in for the one of golang.org/x/net/bpf: change the import and keep NewVM and Run.
package filter

module github.com/skepbpf/skep/bench

go 1.25.0

require (
	github.com/gopacket/gopacket v1.7.7
	github.com/skepbpf/skep v0.0.0
	github.com/tetratelabs/wazero v1.12.0
	golang.org/x/net v0.58.0
)

require (
	github.com/cilium/ebpf v0.22.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/skepbpf/skep => ../

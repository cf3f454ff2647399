module github.com/skepbpf/skep/bench

go 1.25.0

require (
	github.com/gopacket/gopacket v1.7.7
	github.com/skepbpf/skep v0.0.0
	github.com/tetratelabs/wazero v1.12.0
	golang.org/x/net v0.58.0
)

require (
	cel.dev/expr v0.25.1 // indirect
	github.com/antlr4-go/antlr/v4 v4.13.1 // indirect
	go.yaml.in/yaml/v3 v3.0.4 // indirect
	golang.org/x/exp v0.0.0-20240823005443-9b4947da3948 // indirect
	golang.org/x/text v0.41.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20240826202546-f6391c0de4c7 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240826202546-f6391c0de4c7 // indirect
	google.golang.org/protobuf v1.36.10 // indirect
)

require (
	cel.dev/cel-go v0.33.2
	github.com/cilium/ebpf v0.22.0 // indirect
	github.com/expr-lang/expr v1.17.8
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/skepbpf/skep/event/cel v0.0.0
	golang.org/x/sys v0.47.0 // indirect
)

replace github.com/skepbpf/skep => ../

replace github.com/skepbpf/skep/event/cel => ../event/cel

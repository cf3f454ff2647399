// Implements the generator of the example capture.

// Gen writes examples/traffic.pcap, the capture that the examples and the README's command run on:
//
//	go run ./examples/gen
//
// The traffic is invented and the same at every run: a few hosts of the documentation address ranges that
// resolve names, fetch pages over IPv4 and IPv6, log in, ping, set clocks, and send tagged and fragmented
// packets.
package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) > 2 {
		fmt.Fprintln(os.Stderr, "usage: gen [FILE]")
		os.Exit(2)
	}
	name := "examples/traffic.pcap"
	if len(os.Args) == 2 {
		name = os.Args[1]
	}
	data, packets, err := capture()
	if err == nil {
		err = os.WriteFile(name, data, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %d packets, %d bytes\n", name, packets, len(data))
}

// Implements the check that the committed capture is what the generator makes.

package main

import (
	"bytes"
	"os"
	"testing"
)

func TestCaptureIsFresh(t *testing.T) {
	want, packets, err := capture()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../traffic.pcap")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("examples/traffic.pcap has %d bytes and is not what the generator makes (%d bytes): go run ./examples/gen", len(got), len(want))
	}
	if packets < 300 || len(want) > 100<<10 {
		t.Errorf("%d packets in %d bytes, expected several hundred in less than 100 KiB", packets, len(want))
	}
}

module github.com/skepbpf/skep

go 1.25.0

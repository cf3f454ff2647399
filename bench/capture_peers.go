// Implements the runtimes of the table of captures.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/bench/cpeer"
	"github.com/skepbpf/skep/internal/capture"
)

// copyPiece is how much the runtimes that have a choice read and write at once, bytes.
const copyPiece = 1 << 20

// skepCommand builds the command, once, and runs it.
func skepCommand(dir string) func() (filtering, error) {
	name := filepath.Join(dir, "skep")
	return func() (filtering, error) {
		if _, err := os.Stat(name); err != nil {
			build := exec.Command("go", "build", "-o", name, "./cmd/skep")
			build.Dir = ".."
			if out, err := build.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("%w: %s", err, out)
			}
		}
		return func(r *captureRun) (int, error) {
			args := []string{"filter", "-r", r.file, "-w", r.out, r.expr}
			if r.out == "" {
				args = []string{"filter", "-r", r.file, "--count", r.expr}
			}
			err := exec.Command(name, args...).Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.ExitCode() == 1 {
				err = nil // nothing matches
			}
			return -1, err
		}, nil
	}
}

func tcpdumpCommand() (filtering, error) {
	name, err := exec.LookPath("tcpdump")
	if err != nil {
		return nil, errors.New("there is no tcpdump here")
	}
	return func(r *captureRun) (int, error) {
		out := r.out
		if out == "" {
			out = os.DevNull
		}
		cmd := exec.Command(name, "-r", r.file, "-w", out, r.expr)
		if text, err := cmd.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%w: %s", err, text)
		}
		return -1, nil
	}, nil
}

func pcapLoop() (filtering, error) {
	loop, err := cpeer.CaptureFilter()
	if err != nil {
		return nil, err
	}
	return func(r *captureRun) (int, error) { return loop(r.file, r.expr, r.out) }, nil
}

// plainCopy reads the capture and writes as many bytes as the others do. It has no result.
func plainCopy(r *captureRun) (*contender, error) {
	piece := make([]byte, copyPiece)
	return &contender{lap: func() (float64, error) {
		return timed(r, func() error {
			in, err := os.Open(r.file)
			if err != nil {
				return err
			}
			defer in.Close()
			var out *os.File
			if r.out != "" {
				if out, err = os.Create(r.out); err != nil {
					return err
				}
				defer out.Close()
			}
			for left := r.copies; ; {
				n, err := in.Read(piece)
				if err != nil {
					return ended(err)
				}
				if n = min(n, int(left)); n > 0 && out != nil {
					if _, err := out.Write(piece[:n]); err != nil {
						return err
					}
					left -= int64(n)
				}
			}
		})
	}}, nil
}

// ended is no error at the end of a file.
func ended(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// withFiles opens a run's files, the output nil if there is none, and closes them.
func withFiles(r *captureRun, do func(in, out *os.File) error) error {
	in, err := os.Open(r.file)
	if err != nil {
		return err
	}
	defer in.Close()
	if r.out == "" {
		return do(in, nil)
	}
	out, err := os.Create(r.out)
	if err != nil {
		return err
	}
	return errors.Join(do(in, out), out.Close())
}

// newVM makes the machine of x/net/bpf.
func newVM(r *captureRun) (*bpf.VM, error) {
	insns, _ := bpf.Disassemble(r.raw)
	return bpf.NewVM(insns)
}

// xnetScan filters by the machine of x/net/bpf what Skep's reader reads and Skep's copier writes.
func xnetScan() (filtering, error) {
	return func(r *captureRun) (matched int, err error) {
		vm, err := newVM(r)
		if err != nil {
			return 0, err
		}
		verdicts := make([]uint32, 512)
		return matched, withFiles(r, func(in, out *os.File) error {
			s, err := capture.NewScanner(in)
			if err != nil {
				return err
			}
			copier := capture.NewCopier(out)
			for {
				b, err := s.Next()
				if err == io.EOF && out != nil {
					return copier.Flush()
				} else if err != nil {
					return ended(err)
				}
				for i, p := range b.Packets {
					v, _ := vm.Run(p)
					if verdicts[i] = uint32(v); v > 0 {
						matched++
					}
				}
				if out != nil {
					if _, err := copier.Copy(b, verdicts); err != nil {
						return err
					}
				}
			}
		})
	}, nil
}

// gopacketLoop is what its users write: its reader and writer, and the machine of x/net/bpf.
func gopacketLoop() (filtering, error) {
	return func(r *captureRun) (matched int, err error) {
		vm, err := newVM(r)
		if err != nil {
			return 0, err
		}
		return matched, withFiles(r, func(in, out *os.File) error {
			reader, err := pcapgo.NewReader(bufio.NewReaderSize(in, copyPiece))
			if err != nil {
				return err
			}
			buf := bufio.NewWriterSize(out, copyPiece)
			writer := pcapgo.NewWriter(buf)
			if out != nil {
				if err := writer.WriteFileHeader(reader.Snaplen(), layers.LinkTypeEthernet); err != nil {
					return err
				}
			}
			for {
				data, ci, err := reader.ZeroCopyReadPacketData()
				if err == io.EOF && out != nil {
					return buf.Flush()
				} else if err != nil {
					return ended(err)
				}
				if v, _ := vm.Run(data); v == 0 {
					continue
				}
				matched++
				if out != nil {
					if err := writer.WritePacket(ci, data); err != nil {
						return err
					}
				}
			}
		})
	}, nil
}

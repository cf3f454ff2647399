// Implements the command's inputs and outputs: files and "-", limits, terminals, JSON lines.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxInput is the greatest size of a file that is read whole, bytes. Captures are not.
const maxInput = 64 << 20

// shown returns the name of a file for messages.
func shown(name string) string {
	if name == "-" {
		return "stdin"
	}
	return name
}

// readFile returns the content of a file, or of stdin for "-".
func readFile(cmd *cobra.Command, name string) ([]byte, error) {
	f, err := open(cmd, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	switch {
	case err != nil:
		return nil, plainError(name, err)
	case len(data) > maxInput:
		return nil, fmt.Errorf("%s: longer than %d MiB, which is the most that is read", shown(name), maxInput>>20)
	}
	return data, nil
}

// open opens a file for reading, or returns stdin for "-".
func open(cmd *cobra.Command, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, plainError(name, err)
	}
	return f, nil
}

// plainError puts an error about a file in the form "file: what is wrong".
func plainError(name string, err error) error {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return fmt.Errorf("%s: %w", shown(name), err)
}

// create opens a file for writing, or returns stdout for "-".
func create(cmd *cobra.Command, name string) (io.WriteCloser, error) {
	if name == "-" {
		return nopCloser{cmd.OutOrStdout()}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, plainError(name, err)
	}
	return f, nil
}

// notOnto refuses to write to the file that is being read: it would be empty before it is read.
func notOnto(in any, name string) error {
	f, ok := in.(*os.File)
	if !ok || name == "-" {
		return nil
	}
	from, err := f.Stat()
	if err != nil || !from.Mode().IsRegular() {
		return nil
	}
	if to, err := os.Stat(name); err == nil && os.SameFile(from, to) {
		return usagef("%s is the file that is read: write to another", name)
	}
	return nil
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// writeFile writes a whole file, or to stdout for "-".
func writeFile(cmd *cobra.Command, name string, data []byte) error {
	f, err := create(cmd, name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return plainError(name, err)
	}
	return nil
}

// output is stdout: it remembers the first error, so that no verb can lose one.
type output struct {
	io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil && o.err == nil {
		o.err = plainError("stdout", err)
	}
	return n, o.err
}

// isTerminal reports whether a stream is one that a person looks at.
func isTerminal(stream any) bool {
	if o, ok := stream.(*output); ok {
		stream = o.Writer
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// jsonLine prints a value as one line of JSON.
func jsonLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// columns prints rows of cells, aligned; right tells which columns are numbers.
func columns(w io.Writer, rows [][]string, right ...int) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len(cell))
		}
	}
	isRight := map[int]bool{}
	for _, i := range right {
		isRight[i] = true
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-len(cell))
			if isRight[i] {
				cell = pad + cell
			} else {
				cell += pad
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(cell)
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

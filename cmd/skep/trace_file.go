// Implements the source of trace filter that is a file of trace-cmd.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/skepbpf/skep/event"
	"github.com/skepbpf/skep/internal/tracedat"
)

// fileSource is the records of an event in a file of trace-cmd.
type fileSource struct {
	file  *tracedat.File
	event *tracedat.Event
	now   *tracedat.Record
}

func (f *traceFlags) traceFile(in io.Reader) (*fileSource, error) {
	file, ok := in.(*os.File)
	if !ok {
		return nil, usagef("files of trace-cmd are read here and there: name one with -r")
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file, which one of trace-cmd must be", shown(f.read))
	}
	s := &fileSource{}
	if s.file, err = tracedat.Open(file, info.Size()); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(f.read), err)
	}
	if f.event == "" {
		return nil, s.ask()
	}
	if s.event, err = s.file.Event(f.event); err != nil {
		return nil, fmt.Errorf("%s: %w", shown(f.read), err)
	}
	return s, nil
}

// ask names the events that there are records of.
func (s *fileSource) ask() error {
	counts := map[*tracedat.Event]int{}
	err := s.file.Each(func(r *tracedat.Record) error {
		counts[r.Event]++
		return nil
	})
	if err != nil {
		return err
	}
	var names []string
	for _, e := range s.file.Events() {
		if n := counts[e]; n > 0 {
			names = append(names, fmt.Sprintf("%s/%s (%d records)", e.System, e.Name, n))
		}
	}
	if len(names) == 0 {
		return errors.New("the file has no records")
	}
	return usagef("give the event with --event: there are %s", strings.Join(names, ", "))
}

func (s *fileSource) schema() *event.Schema { return s.event.Schema }

func (s *fileSource) each(f func(rec, shown []byte) error) error {
	return s.file.Each(func(r *tracedat.Record) error {
		if r.Event != s.event {
			return nil
		}
		s.now = r
		return f(r.Data, nil)
	})
}

// place is the record's time and processor, as trace-cmd shows them, and the instance.
func (s *fileSource) place() string {
	text := fmt.Sprintf("%d.%09d [%03d] %s: ", s.now.Time/1e9, s.now.Time%1e9, s.now.CPU, s.event.Name)
	if s.now.Buffer != "" {
		text = s.now.Buffer + ": " + text
	}
	return text
}

func (s *fileSource) describe(object map[string]any) {
	object["@time"], object["@cpu"], object["@event"] = s.now.Time, s.now.CPU, s.event.Name
	if s.now.Buffer != "" {
		object["@buffer"] = s.now.Buffer
	}
}

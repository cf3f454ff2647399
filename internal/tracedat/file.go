// Implements files: what they start with, and the sections that are the same in both versions.

package tracedat

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/skepbpf/skep/event"
)

// Bounds of what a file may ask for.
const (
	maxPiece   = 64 << 20 // bytes that are read or decompressed at once
	maxCPUs    = 8192
	maxFormats = 1 << 16 // common_type has 16 bits
	maxBuffers = 1024
	maxPage    = 1 << 20
)

// Magic is what files begin with.
const Magic = "\x17\x08\x44tracing"

// File is a file. It is safe for concurrent use.
type File struct {
	r        io.ReaderAt
	size     int64
	pageSize int
	codec    string // of compressed parts; "": there are none
	formats  map[uint16]*Event
	buffers  []buffer
	seen     map[uint16]bool // sections that were read
}

// Event is the format of an event, and the system that it belongs to.
type Event struct {
	System string
	*event.Format
}

// buffer is a trace buffer: of the top or of an instance.
type buffer struct {
	name string
	page int
	cpus []part
}

// part is where the pages of a processor are.
type part struct {
	cpu        int
	off, size  uint64
	compressed bool
}

// Open reads the metadata of a file. Errors name the section and the byte.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size, formats: map[uint16]*Event{}, seen: map[uint16]bool{}}
	c := f.cursor("start", 0)
	c.want(Magic)
	version := c.text()
	order, long := c.number(1), c.number(1)
	f.pageSize = int(c.u32())
	switch {
	case c.err != nil:
		return nil, c.err
	case version != "6" && version != "7":
		return nil, fmt.Errorf("version %q of trace-cmd's files: 6 and 7 are known", version)
	case order != 0:
		return nil, fmt.Errorf("records of a machine with its highest byte first")
	case long != 8:
		return nil, fmt.Errorf("records of a machine of %d bits, not 64", 8*long)
	}
	if err := pageFits(f.pageSize); err != nil {
		return nil, err
	}
	if version == "6" {
		f.version6(c)
	} else {
		f.version7(c)
	}
	if c.err != nil {
		return nil, c.err
	}
	return f, nil
}

func pageFits(size int) error {
	if size < 256 || size > maxPage {
		return fmt.Errorf("pages of %d bytes, 256 to %d are possible", size, maxPage)
	}
	return nil
}

func (f *File) cursor(name string, at int64) *cursor {
	return &cursor{r: f.r, at: at, end: f.size, in: name}
}

// Events returns the events whose formats the file has, in the order of their names.
func (f *File) Events() []*Event {
	return slices.SortedFunc(maps.Values(f.formats), func(a, b *Event) int {
		if c := strings.Compare(a.System, b.System); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// Event returns the event with a name: alone, or behind its system with a / or : between. The error lists names if there
// is none, or several.
func (f *File) Event(name string) (*Event, error) {
	var found []*Event
	var all []string
	for _, e := range f.Events() {
		full := e.System + "/" + e.Name
		if name == e.Name || strings.Replace(name, ":", "/", 1) == full {
			found = append(found, e)
		}
		all = append(all, full)
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, fmt.Errorf("events of several systems have the name %q: write %s/%s or another", name, found[0].System, name)
	}
	if len(all) > 40 {
		all = append(all[:40], "…")
	}
	return nil, fmt.Errorf("the file has no event %q; there are %s", name, strings.Join(all, ", "))
}

var commit = regexp.MustCompile(`(?m)^\s*field:\s*local_t commit;\s*offset:(\d+);\s*size:(\d+);`)

// headerInfo reads the section about the headers of pages and records.
func (f *File) headerInfo(c *cursor) {
	c.want("header_page\x00")
	page := string(c.bytes(c.u64()))
	if m := commit.FindStringSubmatch(page); c.err == nil && (m == nil || m[1] != "8" || m[2] != "8") {
		c.fail("pages that do not begin with a time and a size of 64 bits each")
	}
	c.want("header_event\x00")
	c.skip(c.u64())
}

// ftraceFormats reads the formats of the tracer's own events.
func (f *File) ftraceFormats(c *cursor) {
	for range c.count(maxFormats) {
		f.format(c, "ftrace")
	}
}

// eventFormats reads the formats of events.
func (f *File) eventFormats(c *cursor) {
	for range c.count(maxFormats) {
		system := c.text()
		for range c.count(maxFormats) {
			f.format(c, system)
		}
	}
}

// count reads how many things follow.
func (c *cursor) count(most uint32) uint32 {
	n := c.u32()
	if n > most {
		c.fail("%d entries, at most %d", n, most)
	}
	if c.err != nil {
		return 0
	}
	return n
}

// format reads a format file. One that cannot be used, as those of events without any fields, is left out.
func (f *File) format(c *cursor, system string) {
	text := c.bytes(c.u64())
	if c.err != nil {
		return
	}
	if len(f.formats) >= maxFormats {
		c.fail("more than %d formats", maxFormats)
		return
	}
	if format, err := event.ParseFormat(string(text)); err == nil {
		f.formats[format.ID] = &Event{system, format}
	}
}

// cpus reads where the data of n processors is, for version 6.
func (f *File) cpus(c *cursor, name string, n uint32) {
	b := buffer{name: name, page: f.pageSize}
	for i := range n {
		p := part{cpu: int(i), off: c.u64(), size: c.u64()}
		f.checkPart(c, p)
		b.cpus = append(b.cpus, p)
	}
	f.add(c, b)
}

func (f *File) add(c *cursor, b buffer) {
	if len(f.buffers) >= maxBuffers {
		c.fail("more than %d buffers", maxBuffers)
		return
	}
	f.buffers = append(f.buffers, b)
}

func (f *File) checkPart(c *cursor, p part) {
	if p.size > 0 && (p.off > uint64(f.size) || p.size > uint64(f.size)-p.off) {
		c.fail("records of processor %d: %d bytes from byte %d of a file of %d", p.cpu, p.size, p.off, f.size)
	}
}

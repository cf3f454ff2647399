// Implements version 7: sections that options lead to, and that may be compressed.

package tracedat

import "bytes"

// Options that lead to sections.
const (
	optionHeader  = 16
	optionFtrace  = 17
	optionFormats = 18
)

// compressed is the flag of a section.
const compressed = 1

// version7 reads what follows the start.
func (f *File) version7(c *cursor) {
	f.codec = c.text()
	c.text() // the codec's version
	if f.codec == "none" {
		f.codec = ""
	}
	at := c.u64()
	been := map[uint64]bool{}
	for at != 0 && c.err == nil {
		if been[at] {
			c.fail("the options at byte %d follow themselves", at)
			return
		}
		been[at] = true
		s := f.section(c, "options", 0, at)
		at = f.options7(s)
		if c.err == nil {
			c.err = s.err
		}
	}
}

// section returns what reads the section at a place. What goes wrong with its header, c notices.
func (f *File) section(c *cursor, name string, id uint16, at uint64) *cursor {
	s := f.cursor("section of "+name, 0)
	s.skip(at)
	got, flags := s.u16(), s.u16()
	s.u32() // its description
	size := s.u64()
	if s.err == nil && got != id {
		s.fail("section %d, not %d", got, id)
	}
	if s.err == nil && flags&compressed == 0 {
		if left := uint64(s.end - s.at); size < left {
			s.end = s.at + int64(size)
		}
		return s
	}
	packed, whole := uint64(s.u32()), uint64(s.u32())
	b := f.unpack(s, packed, whole)
	if s.err != nil {
		return s
	}
	return &cursor{r: bytes.NewReader(b), end: int64(len(b)), in: s.in + ", decompressed"}
}

// options7 reads a section of options, and returns where the next is.
func (f *File) options7(c *cursor) (next uint64) {
	for c.err == nil {
		id, size := c.u16(), uint64(c.u32())
		end := c.at + int64(size)
		switch id {
		case optionDone:
			return c.u64()
		case optionBuffer:
			f.buffer7(c)
		case optionHeader:
			f.within(c, "headers", id, f.headerInfo)
		case optionFtrace:
			f.within(c, "formats of ftrace", id, f.ftraceFormats)
		case optionFormats:
			f.within(c, "formats of events", id, f.eventFormats)
		}
		if c.at = end; end > c.end {
			c.fail("an option of %d bytes goes on behind the section", size)
		}
	}
	return 0
}

// within reads a section that an option leads to.
func (f *File) within(c *cursor, name string, id uint16, read func(*cursor)) {
	if f.seen[id] {
		c.fail("a second section of %s", name)
		return
	}
	f.seen[id] = true
	s := f.section(c, name, id, c.u64())
	if read(s); c.err == nil {
		c.err = s.err
	}
}

// buffer7 reads an option that describes a buffer.
func (f *File) buffer7(c *cursor) {
	section := c.u64()
	b := buffer{name: c.text()}
	c.text() // its clock
	b.page = int(c.u32())
	if err := pageFits(b.page); err != nil && c.err == nil {
		c.fail("%v", err)
	}
	h := f.cursor("buffer "+b.name, 0)
	h.skip(section)
	h.u16()
	flags := h.u16()
	for range c.count(maxCPUs) {
		p := part{cpu: int(c.u32()), off: c.u64(), size: c.u64(), compressed: flags&compressed != 0}
		f.checkPart(c, p)
		b.cpus = append(b.cpus, p)
	}
	if c.err == nil {
		c.err = h.err
	}
	f.add(c, b)
}

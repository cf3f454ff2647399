// Implements version 6: sections one after the other.

package tracedat

// Options of both versions.
const (
	optionDone   = 0
	optionBuffer = 3
)

// version6 reads what follows the start.
func (f *File) version6(c *cursor) {
	c.in = "headers"
	f.headerInfo(c)
	c.in = "formats of ftrace"
	f.ftraceFormats(c)
	c.in = "formats of events"
	f.eventFormats(c)
	c.in = "symbols, texts and names"
	c.skip(uint64(c.u32()))
	c.skip(uint64(c.u32()))
	c.skip(c.u64())
	c.in = "options"
	cpus := c.count(maxCPUs)
	what := string(c.bytes(10))
	for what == "options  \x00" {
		what = f.options6(c, cpus)
	}
	c.in = "records"
	f.records6(c, what, "", cpus)
}

// options6 reads options, and returns what stands behind them.
func (f *File) options6(c *cursor, cpus uint32) (next string) {
	for c.err == nil {
		id := c.u16()
		if id == optionDone {
			break
		}
		size := uint64(c.u32())
		if id != optionBuffer {
			c.skip(size)
			continue
		}
		end := c.at + int64(size)
		off := c.u64()
		name := c.text()
		b := f.cursor("buffer "+name, 0)
		b.skip(off)
		f.records6(b, string(b.bytes(10)), name, cpus)
		if c.err == nil {
			c.err = b.err
		}
		c.at = end
	}
	return string(c.bytes(10))
}

// records6 reads where the records of a buffer are.
func (f *File) records6(c *cursor, what, name string, cpus uint32) {
	switch what {
	case "flyrecord\x00":
		f.cpus(c, name, cpus)
	case "latency  \x00": // text, not records
	default:
		c.fail("%q is neither options, flyrecord nor latency", what)
	}
}

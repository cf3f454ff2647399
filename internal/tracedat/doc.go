// Package tracedat reads the files of trace-cmd (trace.dat, versions 6 and 7; trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5)):
// the formats of events, and the records of all buffers and processors in the order of time.
package tracedat

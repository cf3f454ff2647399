// Package capture reads capture files, pcap and pcapng, and writes them.
//
// A Scanner is the fast way through a file: it reads large blocks and hands out batches of packets that lie
// where they were read, one link type a batch. A Copier writes those of a batch that match to another file, byte by
// byte as they stand in the input:
//
//	s, err := capture.NewScanner(in)
//	…
//	c := capture.NewCopier(out)
//	for {
//		b, err := s.Next()
//		if err != nil {
//			break // io.EOF at the end
//		}
//		if len(b.Packets) > 0 {
//			filterFor(b.LinkType).VerdictBatch(b.Packets, verdicts[:len(b.Packets)])
//		}
//		n, err := c.Copy(b, verdicts)
//		…
//	}
//	err = c.Flush()
//
// A Reader goes through the same batches a packet at a time and adds the metadata that a kernel would know about
// each. A Writer makes a pcap file of packets that may have been changed.
//
// A capture holds bytes and a link type, while packet programs also ask for the protocol, the packet's kind
// and where the network header starts. Those are worked out from the link layer header the way Linux does
// on receive. One VLAN tag is looked past, for Linux takes the tag off before any filter sees the packet: so
// protocol and network offset are those behind it. The bytes keep the tag.
//
// Either form may be compressed by gzip or Zstandard; the content tells. Offsets in errors and records count
// the bytes after decompression.
package capture

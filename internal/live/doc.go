// Implements the package's introduction.

// Package live captures packets from the interfaces of a running Linux system, through a packet socket whose
// ring of buffers the kernel fills and this process reads in place: no copy, and no system call while there is
// traffic. On other systems Open returns an error that wraps errors.ErrUnsupported.
//
// A capture gives what libpcap gives for the same interface, so that its files look the same: the link type
// follows the interface's hardware type; the VLAN tag that the kernel has taken out of a packet is put back
// where it was; on a loopback interface, where the kernel shows every packet twice, the outgoing one is left out; and the
// pseudo-interface "any" gives the packets of all interfaces with a cooked header, LINUX_SLL2 or LINUX_SLL, in
// place of their own ones.
//
//	link, err := live.LinkTypeOf("eth0", opts)
//	// compile opts.Filter for that link type
//	c, err := live.Open("eth0", opts)
//	if err != nil { … }
//	defer c.Close()
//	for {
//		packets, infos, err := c.Next(ctx)
//		if err != nil { … }
//		for i, p := range packets { … } // all that there is of infos[i].WireLen bytes
//	}
//
// The filter runs in the kernel, and it is there before the first packet is. It sees a packet as the kernel does: with the
// outermost VLAN tag taken out (pcap.SourceSocket is how to compile an expression for that).
package live

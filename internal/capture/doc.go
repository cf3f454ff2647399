// Package capture reads capture files, pcap and pcapng, as packets with the metadata that a kernel would
// know about them, and writes pcap files.
//
// A capture holds bytes and a link type, while packet programs also ask for the protocol, the packet's kind
// and where the network header starts. Those are worked out from the link layer header the way Linux does
// on receive. One VLAN tag is looked past, for Linux takes the tag off before any filter sees the packet: so
// protocol and network offset are those behind it. The bytes keep the tag.
package capture

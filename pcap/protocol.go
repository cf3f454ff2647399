// Implements the table of protocols: what a protocol keyword stands for.

package pcap

// protocol is a row of the table of protocols.
type protocol uint8

const (
	protoDefault protocol = iota // no qualifier
	protoLink
	protoRadio
	protoIP
	protoIP6
	protoARP
	protoRARP
	protoATalk
	protoAARP
	protoDECnet
	protoLAT
	protoSCA
	protoMOPDL
	protoMOPRC
	protoISO
	protoSTP
	protoIPX
	protoNetBEUI
	protoSCTP
	protoTCP
	protoUDP
	protoPIM
	protoAH
	protoESP
	protoICMP
	protoIGMP
	protoIGRP
	protoVRRP
	protoCARP
	protoICMP6
	protoESIS
	protoISIS
	protoCLNP
	protoL1
	protoL2
	protoIIH
	protoLSP
	protoSNP
	protoCSNP
	protoPSNP
)

// carrier says how a packet of a protocol is known.
type carrier uint8

const (
	carrierNone carrier = iota // it stands for no packets by itself
	carrierLink                // type of the link layer: an EtherType, or an LLC SAP up to 255
	carrierIP                  // protocol over IPv4 or IPv6
	carrierIPv4                // over IPv4 alone
	carrierIPv6                // over IPv6 alone
	carrierISO                 // first byte of an OSI packet
	carrierISIS                // types of IS-IS packets
)

// index says where proto[...] counts from.
type index uint8

const (
	indexNone      index = iota // not allowed
	indexLink                   // link layer header
	indexRadio                  // first byte of the capture, where a radio header stands
	indexNetwork                // network layer header
	indexTransport              // behind an IPv4 header
	indexICMP6                  // behind an IPv6 header of 40 bytes
)

type protocolRow struct {
	spellings []string
	carrier   carrier
	values    []uint32 // for the carrier; IS-IS types are tried in this order
	index     index
}

// Numbers of the link layer with a meaning of their own: the SAPs of 802.2, which stand below 256, and the
// EtherTypes that some link types treat apart.
const (
	sapIP      = 0x06
	sapSTP     = 0x42
	sapIPX     = 0xe0
	sapNetBEUI = 0xf0
	sapISO     = 0xfe

	etherIP      = 0x0800
	etherARP     = 0x0806
	etherNS      = 0x0600
	etherDECnet  = 0x6003
	etherRARP    = 0x8035
	etherATalk   = 0x809b
	etherAARP    = 0x80f3
	etherVLAN    = 0x8100
	etherIPX     = 0x8137
	etherIP6     = 0x86dd
	etherMPLS    = 0x8847
	etherPPPoED  = 0x8863
	etherPPPoES  = 0x8864
	etherQinQ    = 0x88a8
	etherVLAN91  = 0x9100
	etherBridged = 0x6558 // transparent Ethernet bridging

	greatestLength = 1500 // of the type field of an Ethernet frame, if it is a length
)

// Protocols over IP that the compiler itself asks for.
const (
	ipTCP      = 6
	ipUDP      = 17
	ipFragment = 44 // next header of an IPv6 fragment
	ipESP      = 50
	ipAH       = 51
	ipNoNext   = 59
	ipSCTP     = 132

	isoISIS = 0x83
)

var protocols = [...]protocolRow{
	protoLink:    {spellings: []string{"link", "ether", "ppp", "slip", "fddi", "tr", "wlan"}, index: indexLink},
	protoRadio:   {spellings: []string{"radio"}, index: indexRadio},
	protoIP:      {[]string{"ip"}, carrierLink, []uint32{etherIP}, indexNetwork},
	protoIP6:     {[]string{"ip6"}, carrierLink, []uint32{etherIP6}, indexNetwork},
	protoARP:     {[]string{"arp"}, carrierLink, []uint32{etherARP}, indexNetwork},
	protoRARP:    {[]string{"rarp"}, carrierLink, []uint32{etherRARP}, indexNetwork},
	protoATalk:   {[]string{"atalk"}, carrierLink, []uint32{etherATalk}, indexNetwork},
	protoAARP:    {[]string{"aarp"}, carrierLink, []uint32{etherAARP}, indexNone},
	protoDECnet:  {[]string{"decnet"}, carrierLink, []uint32{etherDECnet}, indexNetwork},
	protoLAT:     {[]string{"lat"}, carrierLink, []uint32{0x6004}, indexNetwork},
	protoSCA:     {[]string{"sca"}, carrierLink, []uint32{0x6007}, indexNetwork},
	protoMOPDL:   {[]string{"mopdl"}, carrierLink, []uint32{0x6001}, indexNetwork},
	protoMOPRC:   {[]string{"moprc"}, carrierLink, []uint32{0x6002}, indexNetwork},
	protoISO:     {[]string{"iso"}, carrierLink, []uint32{sapISO}, indexNone},
	protoSTP:     {[]string{"stp"}, carrierLink, []uint32{sapSTP}, indexNone},
	protoIPX:     {[]string{"ipx"}, carrierLink, []uint32{sapIPX}, indexNone},
	protoNetBEUI: {[]string{"netbeui"}, carrierLink, []uint32{sapNetBEUI}, indexNone},
	protoSCTP:    {[]string{"sctp"}, carrierIP, []uint32{ipSCTP}, indexTransport},
	protoTCP:     {[]string{"tcp"}, carrierIP, []uint32{ipTCP}, indexTransport},
	protoUDP:     {[]string{"udp"}, carrierIP, []uint32{ipUDP}, indexTransport},
	protoPIM:     {[]string{"pim"}, carrierIP, []uint32{103}, indexTransport},
	protoAH:      {[]string{"ah"}, carrierIP, []uint32{ipAH}, indexNone},
	protoESP:     {[]string{"esp"}, carrierIP, []uint32{ipESP}, indexNone},
	protoICMP:    {[]string{"icmp"}, carrierIPv4, []uint32{1}, indexTransport},
	protoIGMP:    {[]string{"igmp"}, carrierIPv4, []uint32{2}, indexTransport},
	protoIGRP:    {[]string{"igrp"}, carrierIPv4, []uint32{9}, indexTransport},
	protoVRRP:    {[]string{"vrrp"}, carrierIPv4, []uint32{112}, indexTransport},
	protoCARP:    {[]string{"carp"}, carrierIPv4, []uint32{112}, indexTransport},
	protoICMP6:   {[]string{"icmp6"}, carrierIPv6, []uint32{58}, indexICMP6},
	protoESIS:    {[]string{"esis", "es-is"}, carrierISO, []uint32{0x82}, indexNone},
	protoISIS:    {[]string{"isis", "is-is"}, carrierISO, []uint32{isoISIS}, indexNone},
	protoCLNP:    {[]string{"clnp"}, carrierISO, []uint32{0x81}, indexNone},
	protoL1:      {[]string{"l1"}, carrierISIS, []uint32{26, 24, 18, 15, 17}, indexNone},
	protoL2:      {[]string{"l2"}, carrierISIS, []uint32{27, 25, 20, 16, 17}, indexNone},
	protoIIH:     {[]string{"iih"}, carrierISIS, []uint32{17, 15, 16}, indexNone},
	protoLSP:     {[]string{"lsp"}, carrierISIS, []uint32{18, 20}, indexNone},
	protoSNP:     {[]string{"snp"}, carrierISIS, []uint32{27, 26, 24, 25}, indexNone},
	protoCSNP:    {[]string{"csnp"}, carrierISIS, []uint32{24, 25}, indexNone},
	protoPSNP:    {[]string{"psnp"}, carrierISIS, []uint32{26, 27}, indexNone},
}

func (p protocol) String() string {
	if p == protoDefault {
		return ""
	}
	return protocols[p].spellings[0]
}

// Implements the table of link types: where their headers keep what.

package pcap

import (
	"fmt"
	"strconv"
	"strings"
)

// LinkType is the number of a link type as capture files have it (LINKTYPE_ of the registry at
// https://www.tcpdump.org/linktypes.html). Where Linux's DLT_ number is another one, it means the same: 12 is raw
// IP, as 101 is.
type LinkType uint16

// Link types with rules of their own. Every other number is a link type without protocol information: filters
// may test its bytes and lengths.
const (
	LinkTypeNull           LinkType = 0 // BSD loopback; its address family is little endian here
	LinkTypeEthernet       LinkType = 1
	LinkTypeTokenRing      LinkType = 6
	LinkTypeARCNET         LinkType = 7
	LinkTypeSLIP           LinkType = 8
	LinkTypePPP            LinkType = 9
	LinkTypeFDDI           LinkType = 10
	LinkTypePPPSerial      LinkType = 50
	LinkTypePPPEther       LinkType = 51
	LinkTypeSymantec       LinkType = 99
	LinkTypeATM            LinkType = 100 // RFC 1483
	LinkTypeRaw            LinkType = 101 // IPv4 or IPv6
	LinkTypeSLIPBSDOS      LinkType = 102
	LinkTypePPPBSDOS       LinkType = 103
	LinkTypeCiscoHDLC      LinkType = 104
	LinkTypeIEEE80211      LinkType = 105
	LinkTypeATMCLIP        LinkType = 106
	LinkTypeFrameRelay     LinkType = 107
	LinkTypeLoop           LinkType = 108 // OpenBSD loopback
	LinkTypeEnc            LinkType = 109 // OpenBSD encapsulated IP; little endian here
	LinkTypeLinuxSLL       LinkType = 113
	LinkTypeLocalTalk      LinkType = 114
	LinkTypePFLog          LinkType = 117
	LinkTypePrism          LinkType = 119
	LinkTypeIPOverFC       LinkType = 122
	LinkTypeSunATM         LinkType = 123
	LinkTypeRadiotap       LinkType = 127
	LinkTypeARCNETLinux    LinkType = 129
	LinkTypeIEEE1394       LinkType = 138
	LinkTypeMTP2WithPHDR   LinkType = 139
	LinkTypeMTP2           LinkType = 140
	LinkTypeMTP3           LinkType = 141
	LinkTypeDOCSIS         LinkType = 143
	LinkTypeAVS            LinkType = 163
	LinkTypeBACnet         LinkType = 165
	LinkTypePPPPPPD        LinkType = 166
	LinkTypePPI            LinkType = 192
	LinkTypeERF            LinkType = 197
	LinkTypeIPNET          LinkType = 226
	LinkTypeIPv4           LinkType = 228
	LinkTypeIPv6           LinkType = 229
	LinkTypeNetAnalyzer    LinkType = 240
	LinkTypeNetAnalyzerRaw LinkType = 241
	LinkTypeLinuxSLL2      LinkType = 276
)

// family says how the protocol of a packet is told.
type family uint8

const (
	familyNone       family = iota // it is not told
	familyEther                    // EtherType, or length and LLC
	familyLLC                      // LLC
	familyWLAN                     // LLC in data frames
	familySunATM                   // LLC in LLC cells
	familyEtherType                // EtherType, or whatever stands for it, as it is
	familySLL                      // EtherType, or one of Linux's numbers
	familyPPP                      // PPP protocol
	familyPPPBSDOS                 // PPP protocol, with compressed headers
	familyHDLC                     // EtherType, OSI apart
	familyNull                     // address family, little endian
	familyLoop                     // address family, big endian
	familyNibble                   // version of IP in the first byte of all
	familyIPv4                     // always IPv4
	familyIPv6                     // always IPv6
	familyLocalTalk                // always AppleTalk
	familyPFLog                    // address family
	familyIPNET                    // address family
	familyARCNET                   // ARCnet's protocol
	familyFrameRelay               // NLPID
	familyMagic                    // nothing but a magic number is told
)

// linkRow is a row of the table of link types. Offsets are in bytes from the start of the packet, where not
// said otherwise.
type linkRow struct {
	number  LinkType
	name    string // as tcpdump -y takes it
	family  family
	header  int // link layer header: what link[0] means
	typ     int // type field
	payload int // what the header carries, LLC included
	net     int // from payload to the network layer header, over LLC and SNAP
	osi     int // from payload to an OSI packet, over LLC alone
	mac     int // destination address from header, if the type has Ethernet addresses
	gap     int // bytes between that and the source address
	flags   linkFlags
	mpls    uint32 // type of MPLS; 0 if it is not known
	magic   uint32 // of familyMagic
	mask    uint32
}

type linkFlags uint8

const (
	hasMAC       linkFlags = 1 << iota
	hasVLAN                // vlan may be asked for
	hasLLC                 // llc may be asked for
	hasRadio               // a radio header of variable length stands before the 802.11 header
	hasDirection           // Juniper: bit 0 of byte 3 tells the direction
)

const (
	juniperMagic = 0x4d474300
	juniperMask  = 0xffffff00
)

var linkRows = []linkRow{
	{number: LinkTypeNull, name: "NULL", family: familyNull, payload: 4},
	{number: LinkTypeLoop, name: "LOOP", family: familyLoop, payload: 4},
	{number: LinkTypeEnc, name: "ENC", family: familyNull, payload: 12},
	{number: LinkTypeEthernet, name: "EN10MB", family: familyEther, typ: 12, payload: 14, osi: 3, flags: hasMAC | hasVLAN | hasLLC, mpls: etherMPLS},
	{number: LinkTypeNetAnalyzer, name: "NETANALYZER", family: familyEther, header: 4, typ: 16, payload: 18, osi: 3, flags: hasMAC | hasVLAN, mpls: etherMPLS},
	{number: LinkTypeNetAnalyzerRaw, name: "NETANALYZER_TRANSPARENT", family: familyEther, header: 12, typ: 24, payload: 26, osi: 3, flags: hasMAC | hasVLAN, mpls: etherMPLS},
	{number: LinkTypeTokenRing, name: "IEEE802", family: familyLLC, payload: 14, net: 8, osi: 3, mac: 2, flags: hasMAC | hasLLC},
	{number: LinkTypeFDDI, name: "FDDI", family: familyLLC, payload: 13, net: 8, osi: 3, mac: 1, flags: hasMAC | hasLLC},
	{number: LinkTypeIPOverFC, name: "IP_OVER_FC", family: familyLLC, payload: 16, net: 8, osi: 3, mac: 2, gap: 2, flags: hasMAC},
	{number: LinkTypeATM, name: "ATM_RFC1483", family: familyLLC, net: 8, osi: 3, flags: hasLLC},
	{number: LinkTypeATMCLIP, name: "ATM_CLIP", family: familyLLC, net: 8, osi: 3},
	{number: LinkTypeSunATM, name: "SUNATM", family: familySunATM, payload: 4, net: 8, osi: 3, flags: hasLLC},
	{number: LinkTypeIEEE80211, name: "IEEE802_11", family: familyWLAN, net: 8, osi: 3, flags: hasVLAN | hasLLC},
	{number: LinkTypePrism, name: "PRISM_HEADER", family: familyWLAN, net: 8, osi: 3, flags: hasVLAN | hasLLC | hasRadio},
	{number: LinkTypeRadiotap, name: "IEEE802_11_RADIO", family: familyWLAN, net: 8, osi: 3, flags: hasVLAN | hasLLC | hasRadio},
	{number: LinkTypeAVS, name: "IEEE802_11_RADIO_AVS", family: familyWLAN, net: 8, osi: 3, flags: hasVLAN | hasLLC | hasRadio},
	{number: LinkTypePPI, name: "PPI", family: familyWLAN, net: 8, osi: 3, flags: hasLLC},
	{number: LinkTypeARCNET, name: "ARCNET", family: familyARCNET, typ: 2, payload: 6},
	{number: LinkTypeARCNETLinux, name: "ARCNET_LINUX", family: familyARCNET, typ: 4, payload: 8},
	{number: LinkTypeLinuxSLL, name: "LINUX_SLL", family: familySLL, typ: 14, payload: 16},
	{number: LinkTypeLinuxSLL2, name: "LINUX_SLL2", family: familyEtherType, typ: 0, payload: 20},
	{number: LinkTypeIEEE1394, name: "APPLE_IP_OVER_IEEE1394", family: familyEtherType, typ: 16, payload: 18},
	{number: LinkTypeSymantec, name: "SYMANTEC_FIREWALL", family: familyEtherType, typ: 6, payload: 44},
	{number: LinkTypePPP, name: "PPP", family: familyPPP, typ: 2, payload: 4, mpls: 0x281},
	{number: LinkTypePPPSerial, name: "PPP_SERIAL", family: familyPPP, typ: 2, payload: 4},
	{number: LinkTypePPPPPPD, name: "PPP_PPPD", family: familyPPP, typ: 2, payload: 4},
	{number: LinkTypePPPEther, name: "PPP_ETHER", family: familyPPP, typ: 6, payload: 8},
	{number: LinkTypePPPBSDOS, name: "PPP_BSDOS", family: familyPPPBSDOS, typ: 5, payload: 24},
	{number: LinkTypeCiscoHDLC, name: "C_HDLC", family: familyHDLC, typ: 2, payload: 4, mpls: etherMPLS},
	{number: LinkTypeFrameRelay, name: "FRELAY", family: familyFrameRelay},
	{number: LinkTypeRaw, name: "RAW", family: familyNibble},
	{number: LinkTypeIPv4, name: "IPV4", family: familyIPv4},
	{number: LinkTypeIPv6, name: "IPV6", family: familyIPv6},
	{number: LinkTypeSLIP, name: "SLIP", family: familyNibble, payload: 16},
	{number: LinkTypeSLIPBSDOS, name: "SLIP_BSDOS", family: familyNibble, payload: 24},
	{number: LinkTypeLocalTalk, name: "LTALK", family: familyLocalTalk},
	{number: LinkTypePFLog, name: "PFLOG", family: familyPFLog},
	{number: LinkTypeIPNET, name: "IPNET", family: familyIPNET, payload: 24, osi: -1},
	{number: LinkTypeBACnet, name: "BACNET_MS_TP", family: familyMagic, payload: -1, net: -1, osi: -1, magic: 0x55ff0000, mask: 0xffff0000},

	// Juniper's. Those with a payload of -1 have no known place for it.
	{number: 130, name: "JUNIPER_MLPPP", family: familyMagic, payload: 4, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 131, name: "JUNIPER_MLFR", family: familyMagic, payload: 4, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 132, name: "JUNIPER_ES", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 133, name: "JUNIPER_GGSN", family: familyMagic, payload: 12, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 134, name: "JUNIPER_MFR", family: familyMagic, payload: 4, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 135, name: "JUNIPER_ATM2", family: familyMagic, payload: 8, osi: 10, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 136, name: "JUNIPER_SERVICES", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 137, name: "JUNIPER_ATM1", family: familyMagic, payload: 4, osi: 10, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 164, name: "JUNIPER_MONITOR", family: familyMagic, payload: 12, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 167, name: "JUNIPER_PPPOE", family: familyMagic, payload: 14, net: 18, osi: 21, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 168, name: "JUNIPER_PPPOE_ATM", family: familyMagic, payload: 6, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 178, name: "JUNIPER_ETHER", family: familyMagic, payload: 14, net: 18, osi: 21, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 179, name: "JUNIPER_PPP", family: familyMagic, payload: 4, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 180, name: "JUNIPER_FRELAY", family: familyMagic, payload: 4, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 181, name: "JUNIPER_CHDLC", family: familyMagic, payload: 4, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 183, name: "JUNIPER_VP", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 194, name: "JUNIPER_ISM", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 200, name: "JUNIPER_ST", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 232, name: "JUNIPER_VS", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 233, name: "JUNIPER_SRX_E2E", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 234, name: "JUNIPER_FIBRECHANNEL", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},
	{number: 238, name: "JUNIPER_ATM_CEMIC", family: familyMagic, payload: -1, net: -1, osi: -1, flags: hasDirection, magic: juniperMagic, mask: juniperMask},

	// SS7, which has signal units and fields, but no protocols to ask for.
	{number: LinkTypeMTP2, name: "MTP2"},
	{number: LinkTypeMTP2WithPHDR, name: "MTP2_WITH_PHDR"},
	{number: LinkTypeERF, name: "ERF"},
}

// plainNames are link types of which filters can only test bytes and lengths.
const plainNames = `
141 MTP3
142 SCCP
143 DOCSIS
144 LINUX_IRDA
169 GPRS_LLC
170 GPF_T
171 GPF_F
174 JUNIPER_PIC_PEER
175 ERF_ETH
176 ERF_POS
177 LINUX_LAPD
182 MFR
184 A429
185 A653_ICM
186 USB_FREEBSD
187 BLUETOOTH_HCI_H4
188 IEEE802_16_MAC_CPS
189 USB_LINUX
190 CAN20B
191 IEEE802_15_4_LINUX
193 IEEE802_16_MAC_CPS_RADIO
195 IEEE802_15_4
196 SITA
198 RAIF1
199 IPMB_KONTRON
201 BLUETOOTH_HCI_H4_WITH_PHDR
202 AX25_KISS
209 IPMB_LINUX
215 IEEE802_15_4_NONASK_PHY
216 LINUX_EVDEV
219 MPLS
220 USB_LINUX_MMAPPED
221 DECT
222 AOS
223 WIHART
224 FC_2
225 FC_2_WITH_FRAME_DELIMS
227 CAN_SOCKETCAN
230 IEEE802_15_4_NOFCS
231 DBUS
235 DVB_CI
236 MUX27010
237 STANAG_5066_D_PDU
239 NFLOG
242 IPOIB
243 MPEG_2_TS
244 NG40
245 NFC_LLCP
246 PFSYNC
247 INFINIBAND
248 SCTP
249 USBPCAP
250 RTAC_SERIAL
251 BLUETOOTH_LE_LL
253 NETLINK
254 BLUETOOTH_LINUX_MONITOR
255 BLUETOOTH_BREDR_BB
256 BLUETOOTH_LE_LL_WITH_PHDR
257 PROFIBUS_DL
258 PKTAP
259 EPON
260 IPMI_HPM_2
261 ZWAVE_R1_R2
262 ZWAVE_R3
263 WATTSTOPPER_DLM
264 ISO_14443
265 RDS
266 USB_DARWIN
267 OPENFLOW
268 SDLC
269 TI_LLN_SNIFFER
271 VSOCK
272 NORDIC_BLE
273 DOCSIS31_XRA31
274 ETHERNET_MPACKET
275 DISPLAYPORT_AUX
278 OPENVIZSLA
279 EBHSCR
280 VPP_DISPATCH
281 DSA_TAG_BRCM
282 DSA_TAG_BRCM_PREPEND
283 IEEE802_15_4_TAP
284 DSA_TAG_DSA
285 DSA_TAG_EDSA
286 ELEE
287 Z_WAVE_SERIAL
288 USB_2_0
289 ATSC_ALP
`

// oldNumbers are what some files have instead of the LINKTYPE_ number: the DLT_ number of the system that wrote
// them.
var oldNumbers = map[LinkType]LinkType{11: LinkTypeATM, 12: LinkTypeRaw, 15: LinkTypeSLIPBSDOS, 16: LinkTypePPPBSDOS, 19: LinkTypeATMCLIP}

// row returns the row of a link type; for one without, a row that knows nothing.
func (t LinkType) row() linkRow {
	if now, ok := oldNumbers[t]; ok {
		t = now
	}
	for _, r := range linkRows {
		if r.number == t {
			return r
		}
	}
	return linkRow{number: t}
}

// String returns the name of the link type as tcpdump -y takes it, such as "EN10MB", or "link type 999".
func (t LinkType) String() string {
	if r := t.row(); r.name != "" {
		return r.name
	}
	for line := range strings.Lines(plainNames) {
		if n, name, ok := strings.Cut(strings.TrimSpace(line), " "); ok && n == strconv.Itoa(int(t)) {
			return name
		}
	}
	return fmt.Sprintf("link type %d", uint16(t))
}

// ParseLinkType returns the link type with a name, as tcpdump -y takes it (in upper or lower case, with or
// without LINKTYPE_ or DLT_ before it), or with a LINKTYPE_ number.
func ParseLinkType(s string) (LinkType, error) {
	name := strings.ToUpper(s)
	name = strings.TrimPrefix(strings.TrimPrefix(name, "LINKTYPE_"), "DLT_")
	for _, r := range linkRows {
		if r.name == name {
			return r.number, nil
		}
	}
	for line := range strings.Lines(plainNames) {
		if n, plain, ok := strings.Cut(strings.TrimSpace(line), " "); ok && plain == name {
			k, err := strconv.Atoi(n)
			return LinkType(k), err
		}
	}
	switch name {
	case "ETHERNET":
		return LinkTypeEthernet, nil
	case "USB_LINUX_MMAP":
		return 220, nil
	}
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		return LinkType(n), nil
	}
	return 0, fmt.Errorf("there is no link type %q: expected a name such as EN10MB, LINUX_SLL2 or RAW, or a number", s)
}

// Implements the table of keywords: every word of the language that is not a name, a number or an address.

package pcap

import "sync"

// class says what part of speech a keyword is.
type class uint8

const (
	classProtocol  class = iota // protocol qualifier; value is a protocol
	classDirection              // direction qualifier; value is a direction
	classType                   // type qualifier; value is an addressType
	classLogic                  // and, or, not: by name
	classNumber                 // a number with a name
	classPrimitive              // a primitive or a word of one: by name
	classATM                    // ATM cells and messages: by name
	classMTP2                   // signal units of SS7: by name
	classMTP3                   // fields of SS7: by name
)

// keyword is a word of the language. Rows with several spellings stand for one keyword: name is the first.
type keyword struct {
	name  string
	class class
	value uint32
}

// A direction says which address is meant.
type direction uint8

const (
	dirDefault direction = iota
	dirSrc
	dirDst
	dirOr
	dirAnd
	dirAddr1
	dirAddr2
	dirAddr3
	dirAddr4
	dirRA
	dirTA
)

// An addressType says what kind of thing an id is.
type addressType uint8

const (
	typeDefault addressType = iota
	typeHost
	typeNet
	typePort
	typePortRange
	typeGateway
	typeProto
	typeProtoChain
)

type keywordRow struct {
	class     class
	spellings []string
	value     uint32
}

// keywordRows is the vocabulary, in the order of pcap-filter(7) where it has one. Protocols have their own table.
var keywordRows = []keywordRow{
	{classType, []string{"host"}, uint32(typeHost)},
	{classType, []string{"net"}, uint32(typeNet)},
	{classType, []string{"port"}, uint32(typePort)},
	{classType, []string{"portrange"}, uint32(typePortRange)},
	{classType, []string{"proto"}, uint32(typeProto)},
	{classType, []string{"protochain"}, uint32(typeProtoChain)},
	{classType, []string{"gateway"}, uint32(typeGateway)},

	{classDirection, []string{"src"}, uint32(dirSrc)},
	{classDirection, []string{"dst"}, uint32(dirDst)},
	{classDirection, []string{"addr1", "address1"}, uint32(dirAddr1)},
	{classDirection, []string{"addr2", "address2"}, uint32(dirAddr2)},
	{classDirection, []string{"addr3", "address3"}, uint32(dirAddr3)},
	{classDirection, []string{"addr4", "address4"}, uint32(dirAddr4)},
	{classDirection, []string{"ra"}, uint32(dirRA)},
	{classDirection, []string{"ta"}, uint32(dirTA)},

	{classLogic, []string{"and", "&&"}, 0},
	{classLogic, []string{"or", "||"}, 0},
	{classLogic, []string{"not", "!"}, 0},

	{classPrimitive, []string{"mask"}, 0},
	{classPrimitive, []string{"len", "length"}, 0},
	{classPrimitive, []string{"less"}, 0},
	{classPrimitive, []string{"greater"}, 0},
	{classPrimitive, []string{"byte"}, 0},
	{classPrimitive, []string{"broadcast"}, 0},
	{classPrimitive, []string{"multicast"}, 0},
	{classPrimitive, []string{"inbound"}, 0},
	{classPrimitive, []string{"outbound"}, 0},
	{classPrimitive, []string{"ifindex"}, 0},
	{classPrimitive, []string{"vlan"}, 0},
	{classPrimitive, []string{"mpls"}, 0},
	{classPrimitive, []string{"pppoed"}, 0},
	{classPrimitive, []string{"pppoes"}, 0},
	{classPrimitive, []string{"geneve"}, 0},
	{classPrimitive, []string{"vxlan"}, 0},
	{classPrimitive, []string{"llc"}, 0},

	// 802.11
	{classPrimitive, []string{"type"}, 0},
	{classPrimitive, []string{"subtype"}, 0},
	{classPrimitive, []string{"dir", "direction"}, 0},

	// the log of the packet filter pf
	{classPrimitive, []string{"ifname", "on"}, 0},
	{classPrimitive, []string{"rset", "ruleset"}, 0},
	{classPrimitive, []string{"rnr", "rulenum"}, 0},
	{classPrimitive, []string{"srnr", "subrulenum"}, 0},
	{classPrimitive, []string{"reason"}, 0},
	{classPrimitive, []string{"action"}, 0},

	{classATM, []string{"lane"}, 0},
	{classATM, []string{"metac"}, 0},
	{classATM, []string{"bcc"}, 0},
	{classATM, []string{"oam"}, 0},
	{classATM, []string{"oamf4"}, 0},
	{classATM, []string{"oamf4ec"}, 0},
	{classATM, []string{"oamf4sc"}, 0},
	{classATM, []string{"sc"}, 0},
	{classATM, []string{"ilmic"}, 0},
	{classATM, []string{"connectmsg"}, 0},
	{classATM, []string{"metaconnect"}, 0},
	{classATM, []string{"vpi"}, 0},
	{classATM, []string{"vci"}, 0},

	{classMTP2, []string{"fisu"}, 0},
	{classMTP2, []string{"lssu", "lsu"}, 0},
	{classMTP2, []string{"msu"}, 0},
	{classMTP2, []string{"hfisu"}, 0},
	{classMTP2, []string{"hlssu"}, 0},
	{classMTP2, []string{"hmsu"}, 0},
	{classMTP3, []string{"sio"}, 0},
	{classMTP3, []string{"opc"}, 0},
	{classMTP3, []string{"dpc"}, 0},
	{classMTP3, []string{"sls"}, 0},
	{classMTP3, []string{"hsio"}, 0},
	{classMTP3, []string{"hopc"}, 0},
	{classMTP3, []string{"hdpc"}, 0},
	{classMTP3, []string{"hsls"}, 0},

	// offsets and values of header fields
	{classNumber, []string{"icmptype", "icmp6type"}, 0},
	{classNumber, []string{"icmpcode", "icmp6code"}, 1},
	{classNumber, []string{"tcpflags"}, 13},
	{classNumber, []string{"tcp-fin"}, 1},
	{classNumber, []string{"tcp-syn"}, 2},
	{classNumber, []string{"tcp-rst"}, 4},
	{classNumber, []string{"tcp-push"}, 8},
	{classNumber, []string{"tcp-ack"}, 16},
	{classNumber, []string{"tcp-urg"}, 32},
	{classNumber, []string{"tcp-ece"}, 64},
	{classNumber, []string{"tcp-cwr"}, 128},
	{classNumber, []string{"icmp-echoreply"}, 0},
	{classNumber, []string{"icmp-unreach"}, 3},
	{classNumber, []string{"icmp-sourcequench"}, 4},
	{classNumber, []string{"icmp-redirect"}, 5},
	{classNumber, []string{"icmp-echo"}, 8},
	{classNumber, []string{"icmp-routeradvert"}, 9},
	{classNumber, []string{"icmp-routersolicit"}, 10},
	{classNumber, []string{"icmp-timxceed"}, 11},
	{classNumber, []string{"icmp-paramprob"}, 12},
	{classNumber, []string{"icmp-tstamp"}, 13},
	{classNumber, []string{"icmp-tstampreply"}, 14},
	{classNumber, []string{"icmp-ireq"}, 15},
	{classNumber, []string{"icmp-ireqreply"}, 16},
	{classNumber, []string{"icmp-maskreq"}, 17},
	{classNumber, []string{"icmp-maskreply"}, 18},
	{classNumber, []string{"icmp6-destinationunreach"}, 1},
	{classNumber, []string{"icmp6-packettoobig"}, 2},
	{classNumber, []string{"icmp6-timeexceeded"}, 3},
	{classNumber, []string{"icmp6-parameterproblem"}, 4},
	{classNumber, []string{"icmp6-echo"}, 128},
	{classNumber, []string{"icmp6-echoreply"}, 129},
	{classNumber, []string{"icmp6-multicastlistenerquery"}, 130},
	{classNumber, []string{"icmp6-multicastlistenerreportv1"}, 131},
	{classNumber, []string{"icmp6-multicastlistenerdone"}, 132},
	{classNumber, []string{"icmp6-routersolicit"}, 133},
	{classNumber, []string{"icmp6-routeradvert"}, 134},
	{classNumber, []string{"icmp6-neighborsolicit"}, 135},
	{classNumber, []string{"icmp6-neighboradvert"}, 136},
	{classNumber, []string{"icmp6-redirect"}, 137},
	{classNumber, []string{"icmp6-routerrenum"}, 138},
	{classNumber, []string{"icmp6-nodeinformationquery"}, 139},
	{classNumber, []string{"icmp6-nodeinformationresponse"}, 140},
	{classNumber, []string{"icmp6-ineighbordiscoverysolicit"}, 141},
	{classNumber, []string{"icmp6-ineighbordiscoveryadvert"}, 142},
	{classNumber, []string{"icmp6-multicastlistenerreportv2"}, 143},
	{classNumber, []string{"icmp6-homeagentdiscoveryrequest"}, 144},
	{classNumber, []string{"icmp6-homeagentdiscoveryreply"}, 145},
	{classNumber, []string{"icmp6-mobileprefixsolicit"}, 146},
	{classNumber, []string{"icmp6-mobileprefixadvert"}, 147},
	{classNumber, []string{"icmp6-certpathsolicit"}, 148},
	{classNumber, []string{"icmp6-certpathadvert"}, 149},
	{classNumber, []string{"icmp6-multicastrouteradvert"}, 151},
	{classNumber, []string{"icmp6-multicastroutersolicit"}, 152},
	{classNumber, []string{"icmp6-multicastrouterterm"}, 153},
}

var keywords = sync.OnceValue(func() map[string]*keyword {
	all := map[string]*keyword{}
	add := func(row keywordRow) {
		k := &keyword{name: row.spellings[0], class: row.class, value: row.value}
		for _, s := range row.spellings {
			all[s] = k
		}
	}
	for _, row := range keywordRows {
		add(row)
	}
	for p, row := range protocols {
		if row.spellings != nil {
			add(keywordRow{classProtocol, row.spellings, uint32(p)})
		}
	}
	return all
})

func lookupKeyword(s string) *keyword { return keywords()[s] }

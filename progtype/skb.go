// Implements struct __sk_buff and struct xdp_md, and what each type of packet program sees of them.

package progtype

import (
	"slices"
	"strings"

	"github.com/skepbpf/skep/spec"
)

// Rules that many fields share.
var (
	word   = Access{Sizes: Narrow} // reading a word or a part of it
	whole4 = Access{Sizes: 4}
	whole8 = Access{Sizes: 8}
	bytes  = Access{Sizes: Any}
)

// skBuff is struct __sk_buff with all that any type may do with it.
var skBuff = []Field{
	{Name: "len", Off: 0, Size: 4, From: Len, Read: word},
	{Name: "pkt_type", Off: 4, Size: 4, From: PktType, Read: word},
	{Name: "mark", Off: 8, Size: 4, From: Mark, Read: word, Write: whole4},
	{Name: "queue_mapping", Off: 12, Size: 4, From: Queue, Read: word, Write: whole4},
	{Name: "protocol", Off: 16, Size: 4, From: Protocol, Read: word},
	{Name: "vlan_present", Off: 20, Size: 4, From: VLANPresent, Read: word},
	{Name: "vlan_tci", Off: 24, Size: 4, From: VLANTCI, Read: word},
	{Name: "vlan_proto", Off: 28, Size: 4, From: VLANProto, Read: word},
	{Name: "priority", Off: 32, Size: 4, From: Priority, Read: word, Write: whole4},
	{Name: "ingress_ifindex", Off: 36, Size: 4, From: IngressIfIndex, Read: word},
	{Name: "ifindex", Off: 40, Size: 4, From: IfIndex, Read: word},
	{Name: "tc_index", Off: 44, Size: 4, From: TCIndex, Read: word, Write: whole4},
	{Name: "cb", Off: 48, Size: 20, From: CB, Read: bytes, Write: bytes},
	{Name: "hash", Off: 68, Size: 4, From: Hash, Read: word},
	{Name: "tc_classid", Off: 72, Size: 4, From: TCClassID, Read: word, Write: whole4},
	{Name: "data", Off: 76, Size: 4, From: DataStart, Read: whole4, Value: PacketStart},
	{Name: "data_end", Off: 80, Size: 4, From: DataEnd, Read: whole4, Value: PacketEnd},
	{Name: "napi_id", Off: 84, Size: 4, From: NAPIID, Read: word},
	{Name: "family", Off: 88, Size: 4, From: Family, Read: word},
	{Name: "remote_ip4", Off: 92, Size: 4, From: RemoteIP4, Read: whole4},
	{Name: "local_ip4", Off: 96, Size: 4, From: LocalIP4, Read: whole4},
	{Name: "remote_ip6", Off: 100, Size: 16, From: RemoteIP6, Read: whole4},
	{Name: "local_ip6", Off: 116, Size: 16, From: LocalIP6, Read: whole4},
	{Name: "remote_port", Off: 132, Size: 4, From: RemotePort, Read: word},
	{Name: "local_port", Off: 136, Size: 4, From: LocalPort, Read: word},
	{Name: "data_meta", Off: 140, Size: 4, From: DataMeta, Read: whole4, Value: PacketMeta},
	{Name: "flow_keys", Off: 144, Size: 8, From: KeysRef, Read: whole8, Value: FlowKeys},
	{Name: "tstamp", Off: 152, Size: 8, From: Timestamp, Read: whole8, Write: whole8},
	{Name: "wire_len", Off: 160, Size: 4, From: WireLen, Read: word},
	{Name: "gso_segs", Off: 164, Size: 4, From: GSOSegs, Read: word},
	{Name: "sk", Off: 168, Size: 8, From: SocketRef, Read: whole8, Value: SockCommon},
	{Name: "gso_size", Off: 176, Size: 4, From: GSOSize, Read: word},
	{Name: "tstamp_type", Off: 180, Size: 1, From: TimestampType, Read: Access{Sizes: 1}},
	{Name: "hwtstamp", Off: 184, Size: 8, From: HWTimestamp, Read: whole8},
}

// Fields that several types hide.
const (
	addresses = " family remote_ip4 local_ip4 remote_ip6 local_ip6 remote_port local_port"
	tcOnly    = " tstamp_type flow_keys"
)

// buff returns __sk_buff as a type sees it: without access to the fields named in hidden, and with write access to
// those in writable alone.
func buff(hidden, writable string) *Layout {
	l := &Layout{Name: "__sk_buff", Size: 192, Fields: slices.Clone(skBuff)}
	hide, write := strings.Fields(hidden), strings.Fields(writable)
	for i := range l.Fields {
		f := &l.Fields[i]
		if slices.Contains(hide, f.Name) {
			f.Read = Access{}
		}
		if !slices.Contains(write, f.Name) {
			f.Write = Access{}
		}
	}
	return l
}

// privileged limits fields of l to privileged programs: reads of some, writes of others.
func privileged(l *Layout, read, write string) *Layout {
	for i := range l.Fields {
		f := &l.Fields[i]
		f.Read.Privileged = slices.Contains(strings.Fields(read), f.Name)
		f.Write.Privileged = slices.Contains(strings.Fields(write), f.Name)
	}
	return l
}

var (
	skbSocketFilter = buff(tcOnly+addresses+" tc_classid data data_end data_meta tstamp wire_len hwtstamp", "cb")
	skbTC           = buff(" flow_keys"+addresses, "mark queue_mapping priority tc_index tc_classid cb tstamp")
	skbCGroup       = privileged(buff(tcOnly+" tc_classid data_meta wire_len", "mark priority cb tstamp"), "data data_end", "tstamp")
	skbLWT          = buff(tcOnly+addresses+" tc_classid data_meta tstamp wire_len hwtstamp", "mark priority cb")
	skbSkSKB        = buff(tcOnly+" mark tc_classid data_meta tstamp wire_len hwtstamp", "priority tc_index")
	skbFlow         = flowContext()
)

// flowContext is __sk_buff of flow dissectors, which see the packet and the keys they fill in.
func flowContext() *Layout {
	l := buff("", "")
	for i := range l.Fields {
		if f := &l.Fields[i]; f.Value == Scalar || f.Value == PacketMeta || f.Value == SockCommon {
			f.Read = Access{}
		}
	}
	return l
}

// xdpMD is struct xdp_md.
var xdpMD = &Layout{Name: "xdp_md", Size: 24, Fields: []Field{
	{Name: "data", Off: 0, Size: 4, From: DataStart, Read: whole4, Value: PacketStart},
	{Name: "data_end", Off: 4, Size: 4, From: DataEnd, Read: whole4, Value: PacketEnd},
	{Name: "data_meta", Off: 8, Size: 4, From: DataMeta, Read: whole4, Value: PacketMeta},
	{Name: "ingress_ifindex", Off: 12, Size: 4, From: IfIndex, Read: whole4},
	{Name: "rx_queue_index", Off: 16, Size: 4, From: RxQueue, Read: whole4},
	{Name: "egress_ifindex", Off: 20, Size: 4, From: EgressIfIndex, Read: Access{Sizes: 4, Attach: Of(spec.AttachXDPDevmap)}},
}}

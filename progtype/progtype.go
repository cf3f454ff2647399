// Implements the rows of program types and their look-up.

package progtype

import "github.com/skepbpf/skep/spec"

// Type describes a program type.
type Type struct {
	Type    spec.ProgramType
	Context *Layout // nil: R1 is the address of the data and R2 its length, or of a context the caller gives
	Packet  bool    // runs on a packet
	LdAbs   bool    // may use packet access instructions (ld_abs, ld_ind)
	Rewrite bool    // may change the packet through pointers
}

// Layout describes a context structure as programs see it (the kernel's UAPI structures, linux/bpf.h).
type Layout struct {
	Name   string
	Size   int // bytes
	Fields []Field
}

// Field is a field of a context.
type Field struct {
	Name  string
	Off   int // bytes
	Size  int // bytes, of all elements
	From  Source
	Write bool // programs may change it
}

// Source says where a context field's value comes from.
type Source uint8

// The sources. Zero is for fields that hold zero off-kernel.
const (
	Zero Source = iota
	Len
	PktType
	Mark
	Queue
	Protocol // as it stands on the wire, big endian
	VLANPresent
	VLANTCI
	VLANProto // as it stands on the wire, big endian
	Priority
	IfIndex
	Hash
	DataStart
	DataEnd
	DataMeta
)

// Writable reports whether a program may write size bytes at off: all of them inside one writable field.
func (l *Layout) Writable(off, size int) bool {
	for _, f := range l.Fields {
		if off >= f.Off && off+size <= f.Off+f.Size {
			return f.Write
		}
	}
	return false
}

// Find returns the row of a program type. Types without a row of their own take a context the caller gives.
func Find(t spec.ProgramType) Type {
	for _, r := range rows {
		if r.Type == t {
			return r
		}
	}
	return Type{Type: t}
}

var rows = []Type{
	{Type: spec.SocketFilter, Context: skBuff, Packet: true, LdAbs: true},
	{Type: spec.SchedCLS, Context: skBuff, Packet: true, LdAbs: true, Rewrite: true},
	{Type: spec.SchedACT, Context: skBuff, Packet: true, LdAbs: true, Rewrite: true},
	{Type: spec.CGroupSKB, Context: skBuff, Packet: true, LdAbs: true},
	{Type: spec.LWTIn, Context: skBuff, Packet: true},
	{Type: spec.LWTOut, Context: skBuff, Packet: true},
	{Type: spec.LWTXmit, Context: skBuff, Packet: true, Rewrite: true},
	{Type: spec.XDP, Context: xdpMD, Packet: true, Rewrite: true},
}

// skBuff is struct __sk_buff.
var skBuff = &Layout{Name: "__sk_buff", Size: 192, Fields: []Field{
	{Name: "len", Off: 0, Size: 4, From: Len},
	{Name: "pkt_type", Off: 4, Size: 4, From: PktType},
	{Name: "mark", Off: 8, Size: 4, From: Mark, Write: true},
	{Name: "queue_mapping", Off: 12, Size: 4, From: Queue},
	{Name: "protocol", Off: 16, Size: 4, From: Protocol},
	{Name: "vlan_present", Off: 20, Size: 4, From: VLANPresent},
	{Name: "vlan_tci", Off: 24, Size: 4, From: VLANTCI},
	{Name: "vlan_proto", Off: 28, Size: 4, From: VLANProto},
	{Name: "priority", Off: 32, Size: 4, From: Priority, Write: true},
	{Name: "ingress_ifindex", Off: 36, Size: 4, From: IfIndex},
	{Name: "ifindex", Off: 40, Size: 4, From: IfIndex},
	{Name: "tc_index", Off: 44, Size: 4, Write: true},
	{Name: "cb", Off: 48, Size: 20, Write: true},
	{Name: "hash", Off: 68, Size: 4, From: Hash},
	{Name: "tc_classid", Off: 72, Size: 4, Write: true},
	{Name: "data", Off: 76, Size: 4, From: DataStart},
	{Name: "data_end", Off: 80, Size: 4, From: DataEnd},
	{Name: "napi_id", Off: 84, Size: 4},
	{Name: "family", Off: 88, Size: 4},
	{Name: "remote_ip4", Off: 92, Size: 4},
	{Name: "local_ip4", Off: 96, Size: 4},
	{Name: "remote_ip6", Off: 100, Size: 16},
	{Name: "local_ip6", Off: 116, Size: 16},
	{Name: "remote_port", Off: 132, Size: 4},
	{Name: "local_port", Off: 136, Size: 4},
	{Name: "data_meta", Off: 140, Size: 4, From: DataMeta},
	{Name: "flow_keys", Off: 144, Size: 8},
	{Name: "tstamp", Off: 152, Size: 8, Write: true},
	{Name: "wire_len", Off: 160, Size: 4, From: Len},
	{Name: "gso_segs", Off: 164, Size: 4},
	{Name: "sk", Off: 168, Size: 8},
	{Name: "gso_size", Off: 176, Size: 4},
	{Name: "tstamp_type", Off: 180, Size: 1},
	{Name: "hwtstamp", Off: 184, Size: 8},
}}

// xdpMD is struct xdp_md.
var xdpMD = &Layout{Name: "xdp_md", Size: 24, Fields: []Field{
	{Name: "data", Off: 0, Size: 4, From: DataStart},
	{Name: "data_end", Off: 4, Size: 4, From: DataEnd},
	{Name: "data_meta", Off: 8, Size: 4, From: DataMeta},
	{Name: "ingress_ifindex", Off: 12, Size: 4, From: IfIndex},
	{Name: "rx_queue_index", Off: 16, Size: 4, From: Queue},
	{Name: "egress_ifindex", Off: 20, Size: 4},
}}

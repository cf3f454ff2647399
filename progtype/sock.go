// Implements the contexts of programs that look at sockets, and the socket structures that such contexts lead to.

package progtype

import "github.com/skepbpf/skep/spec"

// first is a word of which parts can be read at its start alone.
var first = Access{Sizes: Narrow, First: true}

// only limits a rule to some attach types.
func only(a Access, types ...spec.AttachType) Access {
	a.Attach = Of(types...)
	return a
}

// Sock is struct bpf_sock as a pointer to a socket shows it. SockOfCGroup is the same as context of cgroup_sock.
// CommonSock is the part that sockets of every state have.
var (
	Sock = &Layout{Name: "bpf_sock", Size: 80, Fields: []Field{
		{Name: "bound_dev_if", Off: 0, Size: 4, Read: whole4},
		{Name: "family", Off: 4, Size: 4, Read: first},
		{Name: "type", Off: 8, Size: 4, Read: first},
		{Name: "protocol", Off: 12, Size: 4, Read: first},
		{Name: "mark", Off: 16, Size: 4, Read: whole4},
		{Name: "priority", Off: 20, Size: 4, Read: whole4},
		{Name: "src_ip4", Off: 24, Size: 4, Read: word},
		{Name: "src_ip6", Off: 28, Size: 16, Read: word},
		{Name: "src_port", Off: 44, Size: 4, Read: first},
		{Name: "dst_port", Off: 48, Size: 2, Read: Access{Sizes: 1 | 2}},
		{Name: "dst_port", Off: 48, Size: 4, Read: whole4},
		{Name: "dst_ip4", Off: 52, Size: 4, Read: word},
		{Name: "dst_ip6", Off: 56, Size: 16, Read: word},
		{Name: "state", Off: 72, Size: 4, Read: first},
		{Name: "rx_queue_mapping", Off: 76, Size: 4, Read: first},
	}}
	CommonSock   = change(Sock, func(f *Field) { hideIn(f, "type protocol mark priority") })
	SockOfCGroup = change(Sock, sockOfCGroup)
)

func sockOfCGroup(f *Field) {
	const create, release = spec.AttachCGroupInetSockCreate, spec.AttachCGroupInetSockRelease
	const bind4, bind6 = spec.AttachCGroupInet4PostBind, spec.AttachCGroupInet6PostBind
	switch f.Name {
	case "bound_dev_if", "mark", "priority":
		f.Read, f.Write = only(f.Read, 0, create, release), only(whole4, 0, create, release)
	case "src_ip4":
		f.Read = only(f.Read, bind4)
	case "src_ip6":
		f.Read = only(f.Read, bind6)
	case "src_port":
		f.Read = only(f.Read, bind4, bind6)
	}
}

// TCPSock is struct bpf_tcp_sock as a pointer to one shows it.
var TCPSock = words("bpf_tcp_sock", []string{"snd_cwnd", "srtt_us", "rtt_min", "snd_ssthresh", "rcv_nxt", "snd_nxt", "snd_una",
	"mss_cache", "ecn_flags", "rate_delivered", "rate_interval_us", "packets_out", "retrans_out", "total_retrans",
	"segs_in", "data_segs_in", "segs_out", "data_segs_out", "lost_out", "sacked_out", "bytes_received:8", "bytes_acked:8",
	"dsack_dups", "delivered", "delivered_ce", "icsk_retransmits"})

// Keys is struct bpf_flow_keys, which programs read and write.
var Keys = &Layout{Name: "bpf_flow_keys", Size: 56, Memory: true, Fields: []Field{
	{Name: "nhoff", Off: 0, Size: 2}, {Name: "thoff", Off: 2, Size: 2}, {Name: "addr_proto", Off: 4, Size: 2},
	{Name: "is_frag", Off: 6, Size: 1}, {Name: "is_first_frag", Off: 7, Size: 1}, {Name: "is_encap", Off: 8, Size: 1},
	{Name: "ip_proto", Off: 9, Size: 1}, {Name: "n_proto", Off: 10, Size: 2}, {Name: "sport", Off: 12, Size: 2},
	{Name: "dport", Off: 14, Size: 2}, {Name: "src", Off: 16, Size: 16}, {Name: "dst", Off: 32, Size: 16},
	{Name: "flags", Off: 48, Size: 4}, {Name: "flow_label", Off: 52, Size: 4},
}}

// sockOps is struct bpf_sock_ops.
var sockOps = change(words("bpf_sock_ops", []string{"op", "args:16", "family", "remote_ip4", "local_ip4", "remote_ip6:16",
	"local_ip6:16", "remote_port", "local_port", "is_fullsock", "snd_cwnd", "srtt_us", "bpf_sock_ops_cb_flags", "state",
	"rtt_min", "snd_ssthresh", "rcv_nxt", "snd_nxt", "snd_una", "mss_cache", "ecn_flags", "rate_delivered",
	"rate_interval_us", "packets_out", "retrans_out", "total_retrans", "segs_in", "data_segs_in", "segs_out",
	"data_segs_out", "lost_out", "sacked_out", "sk_txhash", "bytes_received:8", "bytes_acked:8", "sk:8", "skb_data:8",
	"skb_data_end:8", "skb_len", "skb_tcp_flags", "skb_hwtstamp:8"}), func(f *Field) {
	switch f.Name {
	case "args", "sk_txhash": // of args, the first alone: reply
		f.Write = Access{Sizes: 4, First: true}
	case "sk":
		f.Value, f.From = SocketOrNull, SocketRef
	case "skb_data":
		f.Value, f.From = PacketStart, DataStart
	case "skb_data_end":
		f.Value, f.From = PacketEnd, DataEnd
	case "skb_tcp_flags":
		f.Read = first
	}
})

// skMsg is struct sk_msg_md.
var skMsg = change(words("sk_msg_md", []string{"data:8", "data_end:8", "family", "remote_ip4", "local_ip4", "remote_ip6:16",
	"local_ip6:16", "remote_port", "local_port", "size", "sk:8"}), func(f *Field) {
	switch f.Name {
	case "data":
		f.Value, f.From = PacketStart, DataStart
	case "data_end":
		f.Value, f.From = PacketEnd, DataEnd
	case "size":
		f.From = Len
	case "sk":
		f.Value, f.From = Socket, SocketRef
	case "family":
		f.From = Family
	case "remote_ip4":
		f.From = RemoteIP4
	case "local_ip4":
		f.From = LocalIP4
	case "remote_ip6":
		f.From = RemoteIP6
	case "local_ip6":
		f.From = LocalIP6
	case "remote_port":
		f.From = RemotePort
	case "local_port":
		f.From = LocalPort
	}
})

// skReuseport is struct sk_reuseport_md.
var skReuseport = &Layout{Name: "sk_reuseport_md", Size: 56, Fields: []Field{
	{Name: "data", Off: 0, Size: 8, From: DataStart, Read: whole8, Value: PacketStart},
	{Name: "data_end", Off: 8, Size: 8, From: DataEnd, Read: whole8, Value: PacketEnd},
	{Name: "len", Off: 16, Size: 4, From: Len, Read: word},
	{Name: "eth_protocol", Off: 20, Size: 4, From: Protocol, Read: Access{Sizes: 2 | 4}},
	{Name: "ip_protocol", Off: 24, Size: 4, From: IPProtocol, Read: word},
	{Name: "bind_inany", Off: 28, Size: 4, From: BindAny, Read: word},
	{Name: "hash", Off: 32, Size: 4, From: Hash, Read: whole4},
	{Name: "sk", Off: 40, Size: 8, From: SocketRef, Read: whole8, Value: Socket},
	{Name: "migrating_sk", Off: 48, Size: 8, Read: whole8, Value: SockCommon},
}}

// The attach types of cgroup_sock_addr, by what they see.
var (
	inet4 = Of(spec.AttachCGroupInet4Bind, spec.AttachCGroupInet4Connect, spec.AttachCGroupUDP4Sendmsg, spec.AttachCGroupUDP4Recvmsg,
		spec.AttachCGroupInet4Getpeername, spec.AttachCGroupInet4Getsockname)
	inet6 = Of(spec.AttachCGroupInet6Bind, spec.AttachCGroupInet6Connect, spec.AttachCGroupUDP6Sendmsg, spec.AttachCGroupUDP6Recvmsg,
		spec.AttachCGroupInet6Getpeername, spec.AttachCGroupInet6Getsockname)
	unixSock = Of(spec.AttachCGroupUnixConnect, spec.AttachCGroupUnixSendmsg, spec.AttachCGroupUnixRecvmsg,
		spec.AttachCGroupUnixGetpeername, spec.AttachCGroupUnixGetsockname)
	send4, send6 = Of(spec.AttachCGroupUDP4Sendmsg), Of(spec.AttachCGroupUDP6Sendmsg)
)

// sockAddr is struct bpf_sock_addr.
var sockAddr = &Layout{Name: "bpf_sock_addr", Size: 72, Fields: []Field{
	{Name: "user_family", Off: 0, Size: 4, Read: whole4},
	{Name: "user_ip4", Off: 4, Size: 4, Read: Access{Sizes: Narrow, Attach: inet4}, Write: Access{Sizes: 4, Attach: inet4}},
	{Name: "user_ip6", Off: 8, Size: 16, Read: Access{Sizes: Any, Attach: inet6}, Write: Access{Sizes: 4 | 8, Attach: inet6}},
	{Name: "user_port", Off: 24, Size: 4, Read: word, Write: whole4},
	{Name: "family", Off: 28, Size: 4, Read: whole4},
	{Name: "type", Off: 32, Size: 4, Read: whole4},
	{Name: "protocol", Off: 36, Size: 4, Read: whole4},
	{Name: "msg_src_ip4", Off: 40, Size: 4, Read: Access{Sizes: Narrow, Attach: send4}, Write: Access{Sizes: 4, Attach: send4}},
	{Name: "msg_src_ip6", Off: 44, Size: 16, Read: Access{Sizes: Any, Attach: send6}, Write: Access{Sizes: 4 | 8, Attach: send6}},
	{Name: "sk", Off: 64, Size: 8, From: SocketRef, Read: whole8, Value: Socket},
}}

// skLookup is struct bpf_sk_lookup.
var skLookup = &Layout{Name: "bpf_sk_lookup", Size: 72, Fields: []Field{
	{Name: "sk", Off: 0, Size: 8, Read: whole8, Value: SocketOrNull},
	{Name: "family", Off: 8, Size: 4, Read: word},
	{Name: "protocol", Off: 12, Size: 4, Read: word},
	{Name: "remote_ip4", Off: 16, Size: 4, Read: word},
	{Name: "remote_ip6", Off: 20, Size: 16, Read: word},
	{Name: "remote_port", Off: 36, Size: 4, Read: word}, // big endian, in the first half
	{Name: "local_ip4", Off: 40, Size: 4, Read: word},
	{Name: "local_ip6", Off: 44, Size: 16, Read: word},
	{Name: "local_port", Off: 60, Size: 4, Read: word},
	{Name: "ingress_ifindex", Off: 64, Size: 4, Read: word},
}}

// sockopt is struct bpf_sockopt.
var sockopt = &Layout{Name: "bpf_sockopt", Size: 40, Fields: []Field{
	{Name: "sk", Off: 0, Size: 8, From: SocketRef, Read: whole8, Value: Socket},
	{Name: "optval", Off: 8, Size: 8, From: DataStart, Read: whole8, Value: PacketStart},
	{Name: "optval_end", Off: 16, Size: 8, From: DataEnd, Read: whole8, Value: PacketEnd},
	{Name: "level", Off: 24, Size: 4, Read: whole4, Write: only(whole4, spec.AttachCGroupSetsockopt)},
	{Name: "optname", Off: 28, Size: 4, Read: whole4, Write: only(whole4, spec.AttachCGroupSetsockopt)},
	{Name: "optlen", Off: 32, Size: 4, Read: whole4, Write: whole4},
	{Name: "retval", Off: 36, Size: 4, Read: only(whole4, spec.AttachCGroupGetsockopt), Write: only(whole4, spec.AttachCGroupGetsockopt)},
}}

// cgroupDevice is struct bpf_cgroup_dev_ctx.
var cgroupDevice = &Layout{Name: "bpf_cgroup_dev_ctx", Size: 12, Fields: []Field{
	{Name: "access_type", Off: 0, Size: 4, Read: word},
	{Name: "major", Off: 4, Size: 4, Read: whole4},
	{Name: "minor", Off: 8, Size: 4, Read: whole4},
}}

// sysctl is struct bpf_sysctl.
var sysctl = &Layout{Name: "bpf_sysctl", Size: 8, Fields: []Field{
	{Name: "write", Off: 0, Size: 4, Read: word},
	{Name: "file_pos", Off: 4, Size: 4, Read: word, Write: whole4},
}}

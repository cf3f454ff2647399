// Implements what a run leaves behind beside its result: where packets and sockets are to go.

package helper

import "github.com/skepbpf/skep/spec"

// Outcome is what helpers have done in a run besides changing the packet. What a program says with its result alone
// (XDP_TX, TC_ACT_SHOT) is not in it. Slices in it are good until the next run.
type Outcome struct {
	// Redirect is where the packet is to go if the result says so (XDP_REDIRECT, TC_ACT_REDIRECT, SK_PASS).
	Redirect Redirect
	// Clones are copies of the packet that were sent on their way, in order.
	Clones []Clone
	// Tunnel is what the packet's outer header is to say (skb_set_tunnel_key). Nil: nothing.
	Tunnel      *spec.Tunnel
	TunnelFlags uint64 // of the last bpf_skb_set_tunnel_key
	// Socket is the one that the packet was given to (sk_assign, sk_select_reuseport). Assigned tells whether one was, for a
	// program may choose none.
	Socket   *spec.Socket
	Assigned bool
	// Options are socket options that were set, in order.
	Options []OptionSet
	// Address is the one that a socket was bound to (bind): a struct sockaddr_in or sockaddr_in6. Nil: none.
	Address []byte
	// Apply and Cork are the numbers of bytes that the verdict on a message is for, and that are to be waited for.
	Apply, Cork uint32
	// HeaderSpace is how many bytes of TCP options were reserved.
	HeaderSpace uint32
	// FlowKeys is struct bpf_flow_keys as a flow dissector left it, as the program sees it.
	FlowKeys []byte
	// Packet has the packet's metadata as helpers have changed it; Data in it means nothing.
	Packet *spec.Packet

	head      []byte // what xdp_adjust_head has taken off, nearest last
	hashed    bool   // the hash is known, even if it is 0
	window    int    // where the visible part of a message starts
	stored    int    // bytes of TCP options stored
	tunnelOpt bool   // options have been set
	tunnel    spec.Tunnel
}

// Reset makes o the outcome of a run that begins on the given packet's metadata.
func (o *Outcome) Reset(p *spec.Packet) {
	*o = Outcome{Clones: o.Clones[:0], Options: o.Options[:0], head: o.head[:0], Packet: p}
}

// Redirect says where a packet goes. The zero value goes nowhere.
type Redirect struct {
	By      string       // the helper that was called, such as "redirect_map"; "" if none was
	IfIndex uint32       // of the interface, where that is known
	Map     string       // name of the map that was asked
	MapType spec.MapType // and its type
	Key     uint64       // and the index in it
	Flags   uint64
	NextHop []byte       // struct bpf_redir_neigh, of redirect_neigh
	Socket  *spec.Socket // found in a map of sockets
	Target  any          // what such a map holds, if it is no *spec.Socket
}

// Clone is a copy of a packet that was sent.
type Clone struct {
	Data    []byte
	IfIndex uint32
	Flags   uint64
}

// OptionSet is a socket option that was set.
type OptionSet struct {
	spec.SocketOption
	Value []byte
}

// out returns where the run's outcome is kept.
func (c *Call) out() *Outcome {
	if c.Outcome == nil {
		c.Outcome = &Outcome{Packet: c.Packet}
	}
	return c.Outcome
}

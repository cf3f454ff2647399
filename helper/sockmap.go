// Implements the helpers for maps of sockets: what is sent to them is recorded.

package helper

import (
	"encoding/binary"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

var (
	socketArray  = []spec.MapType{spec.Sockmap}
	socketHash   = []spec.MapType{spec.Sockhash}
	reuseportMap = []spec.MapType{spec.ReuseportSockArray, spec.Sockmap, spec.Sockhash}
)

var socketMaps = []Helper{
	{ID: 52, Name: "sk_redirect_map", Args: []Arg{Context, MapRef, Any, Any}, Maps: socketArray, Func: redirectToIndex("sk_redirect_map")},
	{ID: 60, Name: "msg_redirect_map", Args: []Arg{Context, MapRef, Any, Any}, Maps: socketArray, Func: redirectToIndex("msg_redirect_map")},
	{ID: 72, Name: "sk_redirect_hash", Args: []Arg{Context, MapRef, MapKey, Any}, Maps: socketHash, Func: redirectToKey("sk_redirect_hash")},
	{ID: 71, Name: "msg_redirect_hash", Args: []Arg{Context, MapRef, MapKey, Any}, Maps: socketHash, Func: redirectToKey("msg_redirect_hash")},
	{ID: 53, Name: "sock_map_update", Args: []Arg{Context, MapRef, MapKey, Any}, Maps: socketArray, Func: updateSocketMap},
	{ID: 70, Name: "sock_hash_update", Args: []Arg{Context, MapRef, MapKey, Any}, Maps: socketHash, Func: updateSocketMap},
	{ID: 82, Name: "sk_select_reuseport", Args: []Arg{Context, MapRef, MapKey, Any}, Maps: reuseportMap, Func: selectSocket},
}

func redirectToIndex(name string) Func {
	return func(c *Call, _, handle, index, flags, _ uint64) (uint64, error) {
		m := c.Map(handle)
		if m == nil {
			return 0, ErrNoMap
		}
		var key [4]byte
		binary.LittleEndian.PutUint32(key[:], uint32(index))
		return c.toSocket(name, m, key[:], flags)
	}
}

func redirectToKey(name string) Func {
	return func(c *Call, _, handle, addr, flags, _ uint64) (uint64, error) {
		m, key, err := mapKey(c, handle, addr)
		if err != nil {
			return 0, err
		}
		return c.toSocket(name, m, key, flags)
	}
}

// toSocket sends a packet or message to the socket of a key. Which sockets may get what the map's owner has to know.
func (c *Call) toSocket(name string, m *bpfmap.Local, key []byte, flags uint64) (uint64, error) {
	o, ok := m.Object(key)
	if flags&^toIngress != 0 || !ok {
		return skDrop, nil
	}
	r := Redirect{By: name, Map: m.Name(), MapType: m.Type(), Flags: flags, Target: o}
	for i, b := range key[:min(len(key), 8)] {
		r.Key |= uint64(b) << (8 * i)
	}
	r.Socket, _ = o.(*spec.Socket)
	return c.redirect(r, skPass)
}

// The moments at which sock_ops programs may put their socket into a map (op of struct bpf_sock_ops).
const (
	opConnected = 4 + iota
	opAccepted

	opListen = 11
)

func updateSocketMap(c *Call, _, handle, addr, flags, _ uint64) (uint64, error) {
	m, key, err := mapKey(c, handle, addr)
	if err != nil {
		return 0, err
	}
	op := uint32(0)
	if ctx := c.Context(); len(ctx) >= 4 {
		op = binary.LittleEndian.Uint32(ctx)
	}
	s := fullSocket(c.ownSocket())
	if s == nil || op != opConnected && op != opAccepted && op != opListen {
		return eOPNOTSUPP.result()
	}
	return failed(m.UpdateObject(key, s, flags)), nil
}

// selectSocket chooses the socket that gets the packet. That it is one of the group the kernel chooses from is the
// map's owner's to know.
func selectSocket(c *Call, _, handle, addr, flags, _ uint64) (uint64, error) {
	m, key, err := mapKey(c, handle, addr)
	if err != nil {
		return 0, err
	}
	if flags != 0 {
		return eINVAL.result()
	}
	v, ok := m.Object(key)
	if !ok {
		return eNOENT.result()
	}
	o := c.out()
	o.Socket, _ = v.(*spec.Socket)
	o.Redirect = Redirect{By: "sk_select_reuseport", Map: m.Name(), MapType: m.Type(), Socket: o.Socket, Target: v}
	o.Assigned = true
	return 0, nil
}

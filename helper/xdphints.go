// Implements the kernel functions that tell XDP programs what the network card knows of a packet.

package helper

import (
	"encoding/binary"
	"math/bits"
)

// rssL4 is XDP_RSS_L4: the hash is over addresses and ports.
const rssL4 = 1 << 3

// packetHints have what the packet's metadata say, and -ENODATA where they say nothing.
var packetHints = only(xdpTypes, []Helper{
	{Name: "bpf_xdp_metadata_rx_timestamp", Kfunc: true, Args: []Arg{Context, Fixed(MemOut, 8)},
		Func: func(c *Call, _, to, _, _, _ uint64) (uint64, error) {
			if c.Packet == nil || c.Packet.HWTimestamp == 0 {
				return eNODATA.result32()
			}
			return 0, c.put(to, binary.LittleEndian.AppendUint64(nil, c.Packet.HWTimestamp))
		}},
	{Name: "bpf_xdp_metadata_rx_hash", Kfunc: true, Args: []Arg{Context, Fixed(MemOut, 4), Fixed(MemOut, 4)},
		Func: func(c *Call, _, to, kind, _, _ uint64) (uint64, error) {
			if c.Packet == nil || c.Packet.Hash == 0 {
				return eNODATA.result32()
			}
			if err := c.put(kind, binary.LittleEndian.AppendUint32(nil, rssL4)); err != nil {
				return 0, err
			}
			return 0, c.put(to, binary.LittleEndian.AppendUint32(nil, c.Packet.Hash))
		}},
	{Name: "bpf_xdp_metadata_rx_vlan_tag", Kfunc: true, Args: []Arg{Context, Fixed(MemOut, 2), Fixed(MemOut, 2)},
		Func: func(c *Call, _, proto, tag, _, _ uint64) (uint64, error) {
			if c.Packet == nil || !c.Packet.VLANPresent {
				return eNODATA.result32()
			}
			if err := c.put(proto, binary.LittleEndian.AppendUint16(nil, bits.ReverseBytes16(c.Packet.VLANProto))); err != nil {
				return 0, err
			}
			return 0, c.put(tag, binary.LittleEndian.AppendUint16(nil, c.Packet.VLANTCI))
		}},
})

// put writes b to memory of the program.
func (c *Call) put(addr uint64, b []byte) error {
	to, err := c.Bytes(addr, len(b), true)
	copy(to, b)
	return err
}

// Implements Compile, its options and its result.

package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
)

// Source says where the packets come from. What can be asked of them depends on it.
type Source uint8

const (
	// SourceAny is for code to look at or to hand on: it may read what Linux knows beside a packet's bytes, and
	// expects VLAN tags inside the packet. It is what tcpdump -d does.
	SourceAny Source = iota
	// SourceFile is for packets of a capture: inbound, outbound and ifindex are refused where the link type
	// has no field for them.
	SourceFile
	// SourceSocket is for a Linux packet socket, whose kernel takes the outermost VLAN tag out of the packet.
	SourceSocket
)

// Options change how an expression is compiled. Nil options mean Ethernet and the zero value for the rest.
type Options struct {
	// LinkType is that of the packets. Beware: the zero value is LinkTypeNull, BSD's loopback.
	LinkType LinkType
	// SnapLen is what the program returns for a packet that matches: how many bytes of it to keep, at most.
	// 0 means DefaultSnapLen.
	SnapLen uint32
	// Netmask is that of the network, for ip broadcast. Nil means 0.0.0.0: only 0.0.0.0 and 255.255.255.255
	// are broadcast addresses then.
	Netmask net.IPMask
	// Source says where the packets come from.
	Source Source
	// NoOptimize leaves the optimiser out. Expressions that can never match are not noticed then.
	NoOptimize bool
	// Resolve finds the addresses of a host by its name. If it is nil, expressions with host names are refused:
	// nothing is asked of the network.
	Resolve func(host string) ([]netip.Addr, error)
}

// DefaultSnapLen is the number of bytes that programs keep of a packet if not told otherwise, that is
// everything: the same as tcpdump's.
const DefaultSnapLen = 262144

func (o *Options) netmask() uint32 {
	if len(o.Netmask) == 4 {
		return binary.BigEndian.Uint32(o.Netmask)
	}
	return 0
}

// Program is a compiled expression. It does not change; all its methods are safe for concurrent use.
type Program struct {
	expr string
	link LinkType
	code []bpf.RawInstruction
}

// Expression returns the text that the program was compiled from.
func (p *Program) Expression() string { return p.expr }

// LinkType returns the link type that the program was compiled for.
func (p *Program) LinkType() LinkType { return p.link }

// Raw returns a copy of the program's instructions. They pass classic.Check.
func (p *Program) Raw() []bpf.RawInstruction { return slices.Clone(p.code) }

// Instructions returns the program as typed instructions of golang.org/x/net/bpf.
func (p *Program) Instructions() []bpf.Instruction {
	all, _ := bpf.Disassemble(p.code)
	return all
}

// String returns the program as tcpdump -d prints it.
func (p *Program) String() string { return string(classic.Append(nil, p.code, classic.FormD)) }

// Limits on expressions. The first bounds the text; the second how deep parentheses, nots and operators may
// nest; the third the tests before optimisation.
const (
	maxExpression = 1 << 17
	maxDepth      = 1000
	maxTests      = 4 * classic.MaxInstructions
)

// ErrMatchesNothing is what errors.Is finds in the error of an expression that can never match.
var ErrMatchesNothing = errors.New("the expression can never match a packet")

// Compile compiles an expression of the language of pcap-filter(7) to classic BPF. An empty expression
// matches everything. opts may be nil and is not kept. The error is an *Error, which says what is wrong at which
// column, or ErrMatchesNothing. Compile reads nothing but the system's tables of services, protocols, networks
// and Ethernet addresses, for names that it meets. It is safe for concurrent use.
func Compile(expr string, opts *Options) (*Program, error) {
	if opts == nil {
		opts = &Options{LinkType: LinkTypeEthernet}
	}
	u, err := build(expr, opts, newPool())
	if err != nil {
		return nil, err
	}
	if u.nothing {
		return nil, ErrMatchesNothing
	}
	return u.program(opts)
}

// unit is an expression on its way to a program.
type unit struct {
	expr    string
	cond    *cond
	graph   *graph
	nothing bool // the expression can never match, and libpcap would notice
}

// build makes the decision graph of an expression, of values from a pool.
func build(expr string, opts *Options, values *pool) (*unit, error) {
	if len(expr) > maxExpression {
		return nil, &Error{Text: fmt.Sprintf("the expression is longer than %d bytes", maxExpression)}
	}
	if n := len(opts.Netmask); n != 0 && n != 4 {
		return nil, &Error{Text: fmt.Sprintf("the netmask has %d bytes, expected the 4 of IPv4", n)}
	}
	gen := newGenerator(values, opts)
	c, err := parse(expr, gen)
	if err != nil {
		return nil, err
	}
	if c != empty {
		c = and(gen.prologue(c), c)
	}
	u := &unit{expr: expr, cond: c, graph: newGraph(values, c)}
	if !opts.NoOptimize {
		u.nothing = u.graph.optimize() && !gen.unsure
	}
	return u, nil
}

// program turns the graph into code, which changes it.
func (u *unit) program(opts *Options) (*Program, error) {
	snapLen := opts.SnapLen
	if snapLen == 0 {
		snapLen = DefaultSnapLen
	}
	code, err := u.graph.emit(snapLen, !opts.NoOptimize)
	if err != nil {
		return nil, &Error{Text: err.Error()}
	}
	if err := classic.Check(code); err != nil {
		return nil, &Error{Text: "the compiler made a mistake: " + err.Error()}
	}
	return &Program{expr: u.expr, link: opts.LinkType, code: code}, nil
}

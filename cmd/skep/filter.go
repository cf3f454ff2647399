// Implements filter: packets of a capture that a tcpdump expression accepts.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
)

// filterFlags are the flags of filter.
type filterFlags struct {
	read, write, link  string
	code               int
	plain, count       bool
	resolve, explained bool
	same, modest       bool
	iface              string
	max                uint64
	snap               uint32
	json               bool
}

func filterCommand() *cobra.Command {
	f := &filterFlags{}
	cmd := &cobra.Command{
		Use:   "filter [-r FILE | -i INTERFACE] [EXPRESSION]",
		Short: "Find the packets that a tcpdump expression accepts",
		Long: `Filter compiles an expression of tcpdump's language (pcap-filter(7)) to machine code and runs it over a
capture: pcap or pcapng, also compressed by gzip or zstd. With -i it listens to a network interface, where
the kernel runs the filter. It prints a line for each packet that matches, or with -w writes these packets
to a file. Without an expression every packet matches.

The letters mean what they mean to tcpdump. -d, -dd and -ddd print the filter as text, as C and as numbers and
read nothing; -O leaves the optimiser out.

It ends with 0 if a packet matched and with 1 if none did.`,
		Example: `  skep filter -r traffic.pcap 'tcp port 443 and not host 10.0.0.1'
  skep filter -r traffic.pcap -w dns.pcap port 53
  skep filter -r traffic.pcap --count icmp
  skep filter -d 'vlan and ip6'
  skep filter -r traffic.pcap --explain -c 1 'tcp port 443'
  skep filter --same 'tcp port 80 or 443' 'tcp port 443 or 80'`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.same {
				if len(args) != 2 {
					return usagef("--same compares two expressions, each one argument")
				}
				return f.compare(cmd, args)
			}
			return f.execute(cmd, strings.Join(args, " "))
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.read, "read", "r", "", "read packets from this capture `file`")
	fl.StringVarP(&f.iface, "interface", "i", "", "capture from this network interface, or \"any\", until interrupted; needs the right to (Linux)")
	fl.BoolVarP(&f.modest, "no-promiscuous-mode", "p", false, "with -i: leave alone what is meant for others")
	fl.StringVarP(&f.write, "write", "w", "", "write the packets that match to this `file`")
	fl.Uint64VarP(&f.max, "max", "c", 0, "stop after `N` packets that match")
	fl.BoolVar(&f.count, "count", false, "print the number of packets that match, and nothing else")
	fl.CountVarP(&f.code, "code", "d", "print the filter: -d as text, -dd as C, -ddd as numbers")
	fl.BoolVarP(&f.plain, "no-optimize", "O", false, "do not optimise the filter")
	fl.StringVarP(&f.link, "link-type", "y", "", "`name` or number of the packets' link type (default that of the file, or EN10MB)")
	fl.Uint32VarP(&f.snap, "snapshot-length", "s", 0, "keep `N` bytes of each packet that matches (default all)")
	fl.BoolVar(&f.explained, "explain", false, "say of each packet which terms of the expression decided, and on what bytes")
	fl.BoolVar(&f.same, "same", false, "compare two expressions: do they accept the same packets?")
	fl.BoolVar(&f.resolve, "resolve", false, "look up host names of the expression in the network")
	fl.BoolVar(&f.json, "json", false, "print JSON objects")
	return cmd
}

// check finds flags that do not go together.
func (f *filterFlags) check() error {
	switch {
	case f.code > 3:
		return usagef("-d goes up to -ddd")
	case f.code > 0 && (f.read != "" || f.write != "" || f.count):
		return usagef("-d prints the filter and reads no packets: it does not go with -r, -w and --count")
	case f.iface != "" && (f.read != "" || f.code > 0 || f.explained || f.link != ""):
		return usagef("-i captures from an interface: it does not go with -r, -d, -y and --explain")
	case f.code == 0 && f.read == "" && f.iface == "":
		return usagef("give the capture to read with -r FILE, the interface with -i, or -d to see the filter")
	case f.explained && (f.write != "" || f.count || f.read == ""):
		return usagef("--explain goes with -r, and neither with -w nor with --count")
	case f.write != "" && f.count:
		return usagef("-w and --count do not go together")
	}
	return nil
}

func (f *filterFlags) execute(cmd *cobra.Command, expr string) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.code > 0 {
		link := pcap.LinkTypeEthernet
		if f.link != "" {
			var err error
			if link, err = pcap.ParseLinkType(f.link); err != nil {
				return usageError{err}
			}
		}
		return f.print(cmd, expr, link)
	}
	switch {
	case f.iface != "":
		return f.live(cmd, expr)
	case f.explained:
		return f.explain(cmd, expr)
	}
	return f.packets(cmd, expr)
}

// compile compiles the expression for one link type.
func (f *filterFlags) compile(expr string, link pcap.LinkType, source pcap.Source) (*pcap.Program, error) {
	p, err := pcap.Compile(expr, f.options(link, source))
	return p, explain(expr, err)
}

func (f *filterFlags) options(link pcap.LinkType, source pcap.Source) *pcap.Options {
	opts := &pcap.Options{LinkType: link, SnapLen: f.snap, Source: source, NoOptimize: f.plain}
	opts.Resolve = doNotLookUp
	if f.resolve {
		opts.Resolve = lookUp
	}
	return opts
}

func doNotLookUp(string) ([]netip.Addr, error) {
	return nil, errors.New("this is a host name, which is looked up only with --resolve: expected an address")
}

// lookUp asks the system for the addresses of a host.
func lookUp(host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// explain puts the expression under an error, with a mark at the place.
func explain(expr string, err error) error {
	var e *pcap.Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Column == 0 || strings.ContainsAny(expr, "\n\t"):
		return fmt.Errorf("%w\n  %s", err, expr)
	}
	return fmt.Errorf("%w\n  %s\n  %s^", err, expr, strings.Repeat(" ", min(e.Column-1, len(expr))))
}

// print prints the filter.
func (f *filterFlags) print(cmd *cobra.Command, expr string, link pcap.LinkType) error {
	p, err := f.compile(expr, link, pcap.SourceAny)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	if f.json {
		err = jsonLine(out, filterCode{Expression: expr, LinkType: link.String(), Instructions: rawCode(p)})
	} else {
		_, err = out.Write(classic.Append(nil, p.Raw(), []classic.Form{classic.FormD, classic.FormDD, classic.FormDDD}[f.code-1]))
	}
	return errors.Join(err, out.Flush())
}

// filterCode is a filter as JSON.
type filterCode struct {
	Expression   string      `json:"expression"`
	LinkType     string      `json:"link_type"`
	Instructions [][4]uint32 `json:"instructions"` // code, jt, jf, k
}

func rawCode(p *pcap.Program) [][4]uint32 {
	var out [][4]uint32
	for _, in := range p.Raw() {
		out = append(out, [4]uint32{uint32(in.Op), uint32(in.Jt), uint32(in.Jf), in.K})
	}
	return out
}

// Implements filter --explain, why packets match or do not, and filter --same, whether two expressions are alike.

package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/internal/capture"
	"github.com/skepbpf/skep/pcap"
)

// explain prints for each packet of the capture which terms of the expression decided, up to -c packets.
func (f *filterFlags) explain(cmd *cobra.Command, expr string) error {
	in, err := open(cmd, f.read)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := capture.NewReader(in)
	if err != nil {
		return fmt.Errorf("%s: %w", shown(f.read), err)
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	if r.Mixed() && f.link == "" {
		if err := f.compilesForAny(expr); err != nil {
			return err
		}
	}
	explainers := map[uint16]*pcap.Explainer{}
	for n := uint64(1); f.max == 0 || n <= f.max; n++ {
		rec, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return errors.Join(out.Flush(), fmt.Errorf("%s: %w", shown(f.read), err))
		}
		e := explainers[rec.LinkType]
		if e == nil {
			if e, err = pcap.NewExplainer(expr, f.options(pcap.LinkType(rec.LinkType), pcap.SourceFile)); err != nil {
				if !r.Mixed() || f.link != "" {
					return errors.Join(out.Flush(), explain(expr, err))
				}
				e = nil // this one's packets do not have what is asked for
			} else {
				explainers[rec.LinkType] = e
			}
		}
		match, text := false, ""
		if e != nil {
			why := e.Explain(&rec.Packet)
			match, text = why.Match, why.String()
		} else {
			text = fmt.Sprintf("does not match: %v\n", err)
		}
		if f.json {
			err = jsonLine(out, packetWhy{n, match, text})
		} else {
			_, err = fmt.Fprintf(out, "packet %d: %s\n%s\n", n, summary(rec), text)
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

// packetWhy is the explanation of a packet as JSON.
type packetWhy struct {
	Packet  uint64 `json:"packet"` // from 1
	Match   bool   `json:"match"`
	Explain string `json:"explain"`
}

// sameness is the outcome of --same as JSON.
type sameness struct {
	Result  string `json:"result"`
	Packet  string `json:"packet,omitempty"`  // hex, of one that only one of the two accepts
	Accepts int    `json:"accepts,omitempty"` // which: 1 or 2
	Reason  string `json:"reason,omitempty"`
}

// same compares two expressions. Equal is yes.
func (f *filterFlags) compare(cmd *cobra.Command, exprs []string) error {
	link := pcap.LinkTypeEthernet
	if f.link != "" {
		var err error
		if link, err = pcap.ParseLinkType(f.link); err != nil {
			return usageError{err}
		}
	}
	c, err := pcap.Same(cmd.Context(), exprs[0], exprs[1], f.options(link, pcap.SourceAny))
	if err != nil {
		return err
	}
	s := sameness{Result: c.Result.String(), Reason: c.Reason}
	if c.Packet != nil {
		s.Packet, s.Accepts = hex.EncodeToString(c.Packet.Data), 2
		if c.First {
			s.Accepts = 1
		}
	}
	out := cmd.OutOrStdout()
	if f.json {
		err = jsonLine(out, s)
	} else {
		fmt.Fprintln(out, s.Result)
		if c.Packet != nil {
			fmt.Fprintf(out, "only expression %d accepts this packet of %d bytes:\n%s", s.Accepts, len(c.Packet.Data), hex.Dump(c.Packet.Data))
		}
		if s.Reason != "" {
			fmt.Fprintln(out, s.Reason)
		}
	}
	switch {
	case err != nil:
		return err
	case c.Result == pcap.Different:
		return no(errors.New("the expressions differ"))
	case c.Result == pcap.Undecided:
		return no(errors.New("it is not known whether the expressions are the same"))
	}
	return nil
}

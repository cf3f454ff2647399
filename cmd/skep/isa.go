// Implements the verb isa: the instruction table.

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/isa"
)

func isaCommand() *cobra.Command {
	var profileName string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "isa",
		Short: "Print the instruction table",
		Long: `Isa prints the instructions that skep knows: wire opcode, how they are written in assignment style and
in uBPF mnemonics, conformance group of RFC 9669, and the Linux release that brought them.

Opcodes that carry several instructions, told apart by other fields, count once and have several lines.`,
		Example: `  skep isa                        all of today's Linux
  skep isa --profile 2014         the first set, of Linux 3.15
  skep isa --profile rfc9669 --json`,
		Args: exactly(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			profile, err := isa.ParseProfile(profileName)
			if err != nil {
				return usageError{err}
			}
			entries := profile.Entries(isa.Linux)
			if asJSON {
				for _, e := range entries {
					if err := jsonLine(cmd.OutOrStdout(), entryJSON(e)); err != nil {
						return err
					}
				}
				return nil
			}
			return printEntries(cmd, profile, entries)
		},
	}
	cmd.Flags().StringVar(&profileName, "profile", "linux", "`name` of the set: 2014, rfc9669 or linux")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object an opcode")
	choices(cmd, "profile", "2014", "rfc9669", "linux")
	return cmd
}

// spell makes a row's spelling readable: isa.Row.Text describes what stands in braces. In wdst and wsrc, the w
// is the register's lower half, as in w1.
func spell(text string) string {
	off := "+ off"
	if strings.Contains(text, "[{dst}{off}") || strings.Contains(text, "[{src}{off}") {
		off = "+off"
	}
	return strings.NewReplacer("{off}", off, "{off32}", "+ imm", "{xdst}", "dst", "{xsrc}", "src",
		"{jump}", "label", "{longjump}", "label", "{func}", "label", "{kfunc}", "name", "{map}", "name", "{var}", "name",
		"{valoff}", "offset", "{spaces}", "dst_space, src_space", "{", "", "}", "").Replace(text)
}

func printEntries(cmd *cobra.Command, profile isa.Profile, entries []isa.Entry) error {
	rows := [][]string{{"CODE", "INSTRUCTION", "MNEMONIC", "GROUP", "LINUX"}}
	forms := 0
	for _, e := range entries {
		for i, r := range e.Forms {
			code := ""
			if i == 0 {
				code = fmt.Sprintf("0x%02x", e.Code)
			}
			rows = append(rows, []string{code, spell(r.Text), spell(r.Mnemonic), r.Group.String(), r.Since.String()})
			forms++
		}
	}
	columns(cmd.OutOrStdout(), rows)
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d instructions in profile %s, %d with their variants\n", len(entries), profile, forms)
	return err
}

type isaEntry struct {
	Opcode string    `json:"opcode"`
	Forms  []isaForm `json:"forms"`
}

type isaForm struct {
	Text     string            `json:"text"`
	Mnemonic string            `json:"mnemonic"`
	Group    string            `json:"group"`
	Since    string            `json:"since"`
	Slots    int               `json:"slots"`
	Fields   map[string]string `json:"fields"`
}

func entryJSON(e isa.Entry) isaEntry {
	out := isaEntry{Opcode: fmt.Sprintf("0x%02x", e.Code)}
	for _, r := range e.Forms {
		form := isaForm{Text: spell(r.Text), Mnemonic: spell(r.Mnemonic), Group: r.Group.String(),
			Since: r.Since.String(), Slots: r.Slots, Fields: map[string]string{
				"dst": fieldUse(r.Dst), "src": fieldUse(r.Src), "off": fieldUse(r.Off), "imm": fieldUse(r.Imm)}}
		if r.Slots > 1 {
			form.Fields["next_imm"] = fieldUse(r.Next)
		}
		out.Forms = append(out.Forms, form)
	}
	return out
}

// fieldUse says what a wire field holds: "operand", "reserved", or the value that it must have.
func fieldUse(f isa.Field) string {
	switch f.Use {
	case isa.Operand:
		return "operand"
	case isa.Selector:
		return fmt.Sprint(f.Value)
	}
	return "reserved"
}

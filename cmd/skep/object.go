// Implements what the verbs that list the contents of object files have in common.

package main

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"
	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/spec"
)

// kernelFlag is the flag of verbs that resolve what objects say about the kernel's types.
type kernelFlag struct{ files []string }

func (k *kernelFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&k.files, "kernel-btf", nil, "`file` with the types of the kernel that object files are for (BTF), and once more for each of its modules; without it, those of this kernel, or else as compiled")
}

// options reads the files.
func (k *kernelFlag) options(cmd *cobra.Command) (o elf.Options, err error) {
	for i, file := range k.files {
		data, err := readFile(cmd, file)
		if err != nil {
			return o, err
		}
		var types *btf.Spec
		if i == 0 {
			types, err = elf.Types(data)
		} else {
			types, err = elf.ModuleTypes(data, o.KernelTypes[0])
		}
		if err != nil {
			return o, fmt.Errorf("%s: %w", shown(file), err)
		}
		o.KernelTypes = append(o.KernelTypes, types)
	}
	return o, nil
}

// listFlags are the flags of prog, map and btf.
type listFlags struct {
	json bool
	what string // sort of thing, for messages
}

// listCommand makes a verb that lists things of a file, all of them or those with given names. list is called with
// what was read.
func listCommand(cmd *cobra.Command, f *listFlags, list func(cmd *cobra.Command, s *source, chosen func(name string) bool) error) *cobra.Command {
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("PROG is missing")
		}
		return nil
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print a JSON object for each")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		data, err := readFile(cmd, args[0])
		if err != nil {
			return err
		}
		s, err := recogniseList(args[0], data)
		if err != nil {
			return err
		}
		found := map[string]bool{}
		chosen := func(name string) bool {
			for _, want := range args[1:] {
				if want == name {
					found[name] = true
					return true
				}
			}
			return len(args) == 1
		}
		if err := list(cmd, s, chosen); err != nil {
			return err
		}
		for _, name := range args[1:] {
			if !found[name] {
				return no(fmt.Errorf("%s: there is no %s %q", s.file, f.what, name))
			}
		}
		return nil
	}
	return cmd
}

// recogniseList reads a file for listing.
func recogniseList(file string, data []byte) (*source, error) {
	return recognise(file, data, false, asm.Auto.String())
}

// flagWords names a program's flags.
func flagWords(f spec.ProgramFlags) []string {
	var words []string
	for _, n := range []struct {
		flag spec.ProgramFlags
		name string
	}{{spec.StrictAlignment, "strict_alignment"}, {spec.AnyAlignment, "any_alignment"}, {spec.Sleepable, "sleepable"}, {spec.XDPFrags, "xdp_frags"}} {
		if f&n.flag != 0 {
			words = append(words, n.name)
		}
	}
	return words
}

// listed prints a line of a listing: what it is, and the things, if there are any.
func listed(b *strings.Builder, what string, things []string) {
	if len(things) > 0 {
		fmt.Fprintf(b, "\t%s %s\n", what, strings.Join(things, ", "))
	}
}

// Implements explanations: what a filter does, in words.

package seccomp

import (
	"fmt"
	"slices"
	"strings"
)

// Explain tells what a filter does: for each architecture first what becomes of most calls, then which calls have
// other answers, and on what arguments answers depend. It fails with ErrTooComplex if that cannot be found out.
func (f *Filter) Explain() (string, error) {
	rows, err := f.Table()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d instructions, at most %d for a call\n", f.Len(), f.Longest())
	var arches []Arch
	for _, r := range rows {
		if r.Arch != NoArch && !slices.Contains(arches, r.Arch) {
			arches = append(arches, r.Arch)
		}
	}
	slices.Sort(arches)
	for _, a := range append(arches, NoArch) {
		explainArch(&b, a, slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Arch != a }), len(arches) > 0)
	}
	return b.String(), nil
}

// explainArch tells what becomes of an architecture's calls.
func explainArch(b *strings.Builder, a Arch, rows []Row, others bool) {
	if len(rows) == 0 {
		return
	}
	title := a.String()
	switch {
	case a == NoArch && others:
		title = "other architectures"
	case a == NoArch:
		title = "all architectures"
	}
	fmt.Fprintf(b, "\n%s\n", title)
	var order []string
	calls := map[string][]string{}
	for _, r := range rows {
		text := r.answer()
		if calls[text] == nil {
			order = append(order, text)
		}
		if name := r.Calls; !slices.Contains(calls[text], name) {
			calls[text] = append(calls[text], name)
		}
	}
	slices.SortStableFunc(order, func(x, y string) int { // short answers first; long ones depend on arguments
		return strings.Count(x, "\n") - strings.Count(y, "\n")
	})
	for _, text := range order {
		fmt.Fprintf(b, "  %s\n", text)
		wrap(b, "      ", calls[text])
	}
}

// answer returns a row's cases, a line each.
func (r *Row) answer() string {
	var lines []string
	for i, c := range r.Cases {
		switch {
		case c.When != "":
			lines = append(lines, fmt.Sprintf("%s if %s", c.Action, c.When))
		case i > 0:
			lines = append(lines, fmt.Sprintf("else %s", c.Action))
		default:
			lines = append(lines, c.Action.String())
		}
	}
	return strings.Join(lines, "\n  ")
}

// wrap writes words in lines of no more than 110 characters.
func wrap(b *strings.Builder, indent string, names []string) {
	line := indent
	for i, n := range names {
		if i < len(names)-1 {
			n += ","
		}
		if line != indent && len(line)+1+len(n) > 110 {
			fmt.Fprintln(b, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += n
	}
	fmt.Fprintln(b, line)
}

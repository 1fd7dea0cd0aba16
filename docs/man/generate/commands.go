package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"tandem/internal/cmdline"
)

// commands describes the commands of a program, which says itself what they are.
func commands(root, program string) (string, error) {
	c := exec.Command("go", "run", "./cmd/"+program, "completion", "json") //nolint:noctx // it ends by itself
	c.Dir = root
	text, err := c.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(c.Args, " "), err)
	}
	var model cmdline.Command
	if err := json.Unmarshal(text, &model); err != nil {
		return "", fmt.Errorf("what %s says: %w", strings.Join(c.Args, " "), err)
	}
	return describe(model), nil
}

// describe is a program's flags, and its commands with theirs, in mdoc.
func describe(program cmdline.Command) string {
	var b strings.Builder
	flags(&b, program.Flags, "")
	b.WriteString(".Ss Commands\n.Bl -tag -width Ds\n")
	program.Walk(func(name string, _ []cmdline.Flag, c cmdline.Command) {
		if len(c.Commands) > 0 { // its commands say more
			return
		}
		fmt.Fprintf(&b, ".It Ic %s%s\n%s", escape(strings.TrimPrefix(name, program.Name+" ")), synopsis(c), prose(c.Help, nil))
		flags(&b, c.Flags, " -compact")
	})
	b.WriteString(".El\n")
	return b.String()
}

// synopsis is what is written behind the name of a command.
func synopsis(c cmdline.Command) string {
	var b strings.Builder
	optional := false
	for _, f := range c.Flags {
		if f.Required {
			fmt.Fprintf(&b, " Fl \\-%s Ar %s", escape(f.Name), strings.ToLower(f.Value))
		}
		optional = optional || !f.Required
	}
	if optional {
		b.WriteString(" Oo Ar option ... Oc")
	}
	for _, a := range c.Args {
		fmt.Fprintf(&b, " Ar %s", strings.ToLower(a.Name))
	}
	return b.String()
}

// flags lists flags.
func flags(b *strings.Builder, all []cmdline.Flag, how string) {
	if len(all) == 0 {
		return
	}
	if how != "" {
		b.WriteString(".Pp\n")
	}
	fmt.Fprintf(b, ".Bl -tag -width Ds%s\n", how)
	for _, f := range all {
		b.WriteString(".It ")
		if f.Short != "" {
			fmt.Fprintf(b, "Fl %s , ", f.Short)
		}
		fmt.Fprintf(b, "Fl \\-%s", escape(f.Name))
		if f.Value != "" {
			fmt.Fprintf(b, " Ar %s", escape(strings.ToLower(f.Value)))
		}
		b.WriteString("\n" + prose(f.Help, nil))
	}
	b.WriteString(".El\n")
}

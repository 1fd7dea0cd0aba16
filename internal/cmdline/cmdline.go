// Package cmdline describes a command line, so that what completes it and what documents it come from the same
// place as what parses it.
//
// [Of] turns kong's model into a [Command]; [Bash], [Zsh] and [Fish] write the shells' completion scripts for
// commands. The scripts need no library of the shell's, ask no program, and follow a line as the parser
// does: a flag that takes a value swallows the next word, what belongs to a command above holds below.
package cmdline

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Command is a program, or one of its commands.
type Command struct {
	Name string `json:"name"`
	// Help is a sentence, or some.
	Help     string    `json:"help"`
	Flags    []Flag    `json:"flags,omitempty"`
	Args     []Arg     `json:"args,omitempty"`
	Commands []Command `json:"commands,omitempty"`
}

// Flag is an option.
type Flag struct {
	// Name is written after two dashes, Short, a letter, after one; Short may be empty.
	Name  string `json:"name"`
	Short string `json:"short,omitempty"`
	Help  string `json:"help"`
	// Value says what it takes, in capitals; empty: nothing. [File] is the name of a file.
	Value string `json:"value,omitempty"`
	// Choices are the values that there are; none: any.
	Choices []string `json:"choices,omitempty"`
	// Required: the command does nothing without it.
	Required bool `json:"required,omitempty"`
}

// Arg is an argument that is told by its place.
type Arg struct {
	// Name is in capitals; [File] is the name of a file.
	Name    string   `json:"name"`
	Help    string   `json:"help"`
	Choices []string `json:"choices,omitempty"`
}

// File is what a value is called that names a file.
const File = "FILE"

// Of describes a program that kong parses the command line of. What is hidden is left out.
func Of(app *kong.Application) Command { return command(app.Node) }

func command(n *kong.Node) Command {
	c := Command{Name: n.Name, Help: n.Help}
	for _, f := range n.Flags {
		if !f.Hidden {
			c.Flags = append(c.Flags, flag(f))
		}
	}
	for _, a := range n.Positional {
		c.Args = append(c.Args, Arg{Name: strings.ToUpper(a.Name), Help: a.Help, Choices: choices(a)})
	}
	for _, child := range n.Children {
		if !child.Hidden {
			c.Commands = append(c.Commands, command(child))
		}
	}
	return c
}

func flag(f *kong.Flag) Flag {
	described := Flag{Name: f.Name, Help: f.Help, Choices: choices(f.Value), Required: f.Required}
	if f.Short != 0 {
		described.Short = string(f.Short)
	}
	switch {
	case f.IsBool():
	case f.PlaceHolder != "":
		described.Value = strings.ToUpper(f.PlaceHolder)
	default:
		described.Value = strings.ToUpper(f.Name)
	}
	return described
}

func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

// Walk calls each for the command and all below it, with the full name ("tandem store backup") and all flags that may
// stand there, those of the commands above included.
func (c Command) Walk(each func(name string, flags []Flag, c Command)) { c.walk("", nil, each) }

func (c Command) walk(above string, inherited []Flag, each func(string, []Flag, Command)) {
	name := strings.TrimPrefix(above+" "+c.Name, " ")
	flags := slices.Concat(inherited, c.Flags)
	each(name, flags, c)
	for _, child := range c.Commands {
		child.walk(name, flags, each)
	}
}

// written lists how the flag may be written.
func (f Flag) written() []string {
	if f.Short == "" {
		return []string{"--" + f.Name}
	}
	return []string{"-" + f.Short, "--" + f.Name}
}

// quoted is a word of a shell's, whatever is in it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// brief is the first sentence of a help, for menus.
func brief(help string) string {
	sentence, _, _ := strings.Cut(help, ". ")
	sentence, _, _ = strings.Cut(sentence, ": ")
	return strings.TrimSuffix(sentence, ".")
}

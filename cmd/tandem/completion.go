package main

import (
	"encoding/json"
	"io"

	"github.com/alecthomas/kong"

	"tandem/internal/cmdline"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish,json" help:"The shell: bash, zsh or fish; json describes the command line to other programs."`
}

// daemon is the command line of tandemd, which a test compares with it.
func daemon() cmdline.Command {
	return cmdline.Command{
		Name: "tandemd", Help: "Tandem's daemon.",
		Flags: []cmdline.Flag{
			{Name: "help", Help: "Say how it is used."},
			{Name: "config", Value: cmdline.File, Help: "The configuration file."},
			{Name: "version", Help: "Print the version."},
		},
	}
}

// Run writes the completion of tandem and tandemd.
func (c *completionCmd) Run(e *env, app *kong.Kong) error {
	programs := []cmdline.Command{cmdline.Of(app.Model), daemon()}
	var text string
	switch c.Shell {
	case "bash":
		text = cmdline.Bash(programs...)
	case "zsh":
		text = cmdline.Zsh(programs...)
	case "fish":
		text = cmdline.Fish(programs...)
	case "json":
		encoder := json.NewEncoder(e.stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(programs[0])
	}
	_, err := io.WriteString(e.stdout, text)
	return err
}

// Command tandem is the admin's side of Tandem: it checks the configuration, says which policy a login would come
// under, tries a login, unlocks a user, looks after users' devices, makes recovery codes and password hashes, looks after
// the state, and reports.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"tandem/internal/secret"
	"tandem/internal/version"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// cli is the command line: each field with cmd:"" is one subcommand.
type cli struct {
	Config string `short:"c" default:"/etc/tandem/config.toml" placeholder:"FILE" help:"The configuration file (default ${default})."`

	Check      checkCmd      `cmd:"" help:"Check the configuration, file modes, LDAP servers and state: each line ok or what to do."`
	Policy     policyCmd     `cmd:"" help:"Say what a login would meet, without making it."`
	Try        tryCmd        `cmd:"" help:"Make one real login attempt, asking for password and codes as a terminal would."`
	Unlock     unlockCmd     `cmd:"" help:"Let a user who failed too often try again at once."`
	User       userCmd       `cmd:"" help:"Say what is known of a user: groups, policy, devices and their last use, locks. No secrets."`
	Device     deviceCmd     `cmd:"" help:"List, add, rename and delete users' devices."`
	Resync     resyncCmd     `cmd:"" help:"Catch up with a token whose button was pressed too often."`
	Import     importCmd     `cmd:"" help:"Register devices from a file: PSKC, OATH CSV, Yubico CSV, google-authenticator, users.oath, otpauth."`
	Export     exportCmd     `cmd:"" help:"Write devices, with their secrets, into a file: PSKC or otpauth URIs."`
	Recovery   recoveryCmd   `cmd:"" help:"Make a user ten new recovery codes and print them; the old ones are void."`
	Passwd     passwdCmd     `cmd:"" help:"Make a password hash for the users file."`
	Store      storeCmd      `cmd:"" help:"Status, backup, restore and migration of the state."`
	Report     reportCmd     `cmd:"" help:"Say what happened: logins, rejects and why, users that are shut out, what was slow."`
	Completion completionCmd `cmd:"" help:"Write what completes these commands in a shell."`
	Version    versionCmd    `cmd:"" help:"Print the version."`
}

// env is what commands work with.
type env struct {
	ctx    context.Context //nolint:containedctx // one command's life is one context's
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	config string
}

// errSilent: the command has said itself what failed.
var errSilent = errors.New("failed")

// usageError is a command line that can be read, and asks for what is not there.
type usageError struct{ error }

// run is main without the process: it parses args, runs one subcommand, and returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("tandem"),
		kong.Description("Second factors for VPNs and SSH hosts: the admin's command. The daemon is tandemd."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }), // --help
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.UsageOnError(),
	)
	if err != nil {
		fmt.Fprintln(stderr, "tandem:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 {
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "tandem: %v\nTry `tandem --help`.\n", err)
		return exitUsage
	}
	if err := secret.KeepOutOfCoreFiles(); err != nil {
		fmt.Fprintln(stderr, "tandem:", err)
		return exitFailed
	}
	e := &env{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, config: c.Config}
	if err := parsed.Run(e); err != nil {
		if !errors.Is(err, errSilent) {
			fmt.Fprintln(stderr, "tandem:", err)
		}
		if errors.As(err, new(usageError)) {
			return exitUsage
		}
		return exitFailed
	}
	return exitDone
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(e *env) error {
	_, err := fmt.Fprintln(e.stdout, version.String())
	return err
}

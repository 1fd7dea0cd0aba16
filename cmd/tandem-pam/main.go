// Command tandem-pam is Tandem's helper for PAM, for hosts where no tandemd runs, and the only one of its
// programs that loads PAM modules itself.
//
//	tandem-pam                    the helper that pam_tandem.so starts (helper=/usr/libexec/tandem/tandem-pam)
//	tandem-pam exec               for pam_exec expose_authtok: password and code in one field
//	tandem-pam password SERVICE   checks a local password; tandemd starts it for first_factor = "pam"
//	tandem-pam try SERVICE USER   has a conversation with a PAM service at the terminal
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"os/signal"
	"syscall"

	"tandem/internal/secret"
	"tandem/internal/version"
)

// Exit statuses. Those of `password` are local.ExitRight and local.ExitWrong, and exitFailed.
const (
	exitDone   = 0
	exitDenied = 1
	exitUsage  = 2
	exitFailed = 3
)

const usage = `tandem-pam [--config FILE] [exec | password SERVICE | try SERVICE USER]

Without a command: the helper of pam_tandem.so. It speaks the protocol of docs/pam-protocol.md on standard
input, and is not meant to be started by hand.

  exec               for pam_exec with expose_authtok: the password on standard input has the code behind it
  try SERVICE USER   let the PAM service ask you, as sshd or sudo would (` + "`tandem try USER --pam SERVICE`" + `)
  password SERVICE   check a password with the PAM service; name, NUL and password on standard input

  --config FILE      how to decide (default /etc/tandem/pam.toml); docs/ssh.md explains it
  --version          print the version
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process.
func run(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tandem-pam", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	path := flags.String("config", "/etc/tandem/pam.toml", "")
	printVersion := flags.Bool("version", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case *printVersion:
		fmt.Fprintln(stdout, version.String())
		return exitDone
	}
	if err := secret.KeepOutOfCoreFiles(); err != nil {
		fmt.Fprintln(stderr, "tandem-pam:", err)
		return exitFailed
	}
	var err error
	code := exitDone
	switch command, rest := flags.Arg(0), flags.NArg(); {
	case rest == 0:
		err = converse(ctx, *path, stdin)
	case command == "exec" && rest == 1:
		code, err = execute(ctx, *path, stdin)
	case command == "try" && rest == 3:
		code, err = try(flags.Arg(1), flags.Arg(2), stdin, stdout, stderr)
	case command == "password" && rest == 2:
		code, err = checkPassword(flags.Arg(1), stdin)
	default:
		fmt.Fprintf(stderr, "tandem-pam: %q is not a command\n\n%s", flags.Args(), usage)
		return exitUsage
	}
	if err != nil {
		fmt.Fprintln(stderr, "tandem-pam:", err)
		logger().Error(err.Error())
		if code == exitDone {
			return exitFailed
		}
	}
	return code
}

// logger writes to syslog, because standard error leads nowhere under PAM.
func logger() *slog.Logger {
	w, err := syslog.New(syslog.LOG_AUTHPRIV|syslog.LOG_INFO, "tandem-pam")
	if err != nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey { // syslog has its own
			return slog.Attr{}
		}
		return a
	}}))
}

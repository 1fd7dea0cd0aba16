// Command tandemd is Tandem's daemon: it answers RADIUS requests with the verification core's verdicts.
// It runs in the foreground; what it has to say goes to standard error.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"

	"tandem/internal/secret"
	"tandem/internal/version"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `tandemd [--config FILE]

Answers RADIUS requests, in the foreground. SIGHUP reloads the configuration (one with mistakes is
refused, and the old one stays in force); SIGTERM finishes what has begun, and ends.

  --config FILE   the configuration (default /etc/tandem/config.toml)
  --version       print the version

Check a configuration with: tandem --config FILE check
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], process{stdout: os.Stdout, stderr: os.Stderr, reload: hangUp, notify: notifySystemd})
	stop()
	os.Exit(code)
}

// process is what the daemon sees of the world it runs in.
type process struct {
	stdout, stderr io.Writer
	// reload asks for the configuration to be read anew.
	reload <-chan os.Signal
	// notify tells the service manager a state, as sd_notify(3) has them.
	notify func(state string)
}

func notifySystemd(state string) { _, _ = daemon.SdNotify(false, state) }

// run is main without the process: it serves until ctx ends, and returns the exit status.
func run(ctx context.Context, args []string, p process) int {
	flags := flag.NewFlagSet("tandemd", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.Usage = func() { fmt.Fprint(flags.Output(), usage) }
	path := flags.String("config", "/etc/tandem/config.toml", "")
	printVersion := flags.Bool("version", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(p.stderr, "tandemd: %q is not an option\n\n%s", flags.Arg(0), usage)
		return exitUsage
	case *printVersion:
		fmt.Fprintln(p.stdout, version.String())
		return exitDone
	}
	if err := secret.KeepOutOfCoreFiles(); err != nil {
		fmt.Fprintln(p.stderr, "tandemd:", err)
		return exitFailed
	}
	if err := serve(ctx, *path, p); err != nil {
		fmt.Fprintln(p.stderr, "tandemd:", err)
		return exitFailed
	}
	return exitDone
}

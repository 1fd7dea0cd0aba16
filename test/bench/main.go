// Command bench runs Tandem side by side with Debian's FreeRADIUS: the same users, the same directory, the same load,
// in turn in one run, and prints the medians and their ratios.
//
//	go run ./test/bench -list
//	go run ./test/bench -case ldap -rounds 5 -duration 4s
//
// Believe the ratios, not the absolute figures: those are this machine's, this day's. The servers have one core, and
// the load and the directory the other, so it takes two; all answers are checked, and a line whose answers are not
// what was asked for says so. Package load says how the load is made, package peer how the servers are set up.
//
// The columns: CPU is the server's, user and system, a login; beside is that of its directory or store. "others" is how
// much of the server's core was not the server's: the kernel's network takes some 30 % of it at full load, and with much
// more than that other programs have run, so that rates and times say little, and CPU still something.
//
// Programs are found as test/deps.sh bench installs them. Nothing outside -data, a temporary folder and /dev/shm is written.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tandem/test/bench/peer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main without the process. It returns the exit status: 0 done, 1 failed, 2 wrong usage.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var (
		list     = flags.Bool("list", false, "list the cases")
		names    = flags.String("case", "", "the cases to run, with commas between; all if empty")
		rounds   = flags.Int("rounds", 3, "how often each line of a case is measured, in turn")
		duration = flags.Duration("duration", 2*time.Second, "how long each measurement takes")
		asJSON   = flags.Bool("json", false, "print every measurement as JSON instead of the tables")
		data     = flags.String("data", filepath.Join(os.TempDir(), "tandem-bench"), "`folder` that keeps the databases for the next run")
		tandemd  = flags.String("tandemd", "", "the `program` to measure; built from this tree if empty")
		trivial  = flags.String("trivial", "", "be the trivial responder at `address` (used by the program itself)")
	)
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0 || *rounds < 1 || *duration <= 0 || *duration > 8*time.Second:
		fmt.Fprintln(stderr, "bench: there are options only, -rounds from 1, and -duration up to 8s (a code lives 30 s)")
		return 2
	}
	if *trivial != "" {
		return status(stderr, beTrivial(ctx, *trivial))
	}
	all := cases()
	if *list {
		for _, c := range all {
			fmt.Fprintf(stdout, "%-14s %s\n", c.name, c.about)
		}
		return 0
	}
	chosen, err := choose(all, *names)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	return status(stderr, measure(ctx, chosen, settings{rounds: *rounds, duration: *duration, data: *data, tandemd: *tandemd}, stdout, stderr, *asJSON))
}

func status(stderr io.Writer, err error) int {
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

func beTrivial(ctx context.Context, address string) error {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("-trivial %q: %w", address, err)
	}
	return peer.Accept(ctx, addr)
}

func choose(all []benchCase, names string) ([]benchCase, error) {
	if names == "" {
		return all, nil
	}
	var chosen []benchCase
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(all, func(c benchCase) bool { return c.name == name })
		if at < 0 {
			return nil, fmt.Errorf("there is no case %q: -list shows them", name)
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// measure runs the cases one after the other, and prints each as soon as it is done.
func measure(ctx context.Context, chosen []benchCase, s settings, stdout, stderr io.Writer, asJSON bool) error {
	b, err := newBench(s, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	var reports []report
	for _, c := range chosen {
		r, err := b.run(ctx, c)
		if err != nil {
			return fmt.Errorf("case %s: %w", c.name, err)
		}
		reports = append(reports, r)
		if !asJSON {
			r.print(stdout)
		}
	}
	if asJSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(reports)
	}
	return nil
}

// Command mutants proves that the tests of threats can fail.
//
// A test that defends against an attack is worth only as much as its ability to notice that the
// defence is gone. So beside each such test stands a mutant: a small edit that takes the defence
// out. This program makes each edit in turn, runs the test, and expects it to fail. A mutant that
// the test does not notice has survived, and the test is not one.
//
//	go run ./test/mutants                     every mutant
//	go run ./test/mutants -file store.toml    those of one file
//	go run ./test/mutants -row 44             those of one row
//	go run ./test/mutants -list               the rows and their mutants, as Markdown
//
// Mutants are written in the *.toml files beside this one:
//
//	[[mutant]]
//	row = 12                             # of the threat model
//	name = "an empty password reaches the server"
//	file = "directory/ldap/password.go"  # from the project's root
//	find = 'if password == "" {'         # occurs exactly once in file; ''' for several lines
//	replace = 'if false {'               # must still compile
//	package = "./directory/ldap"         # whose tests notice
//	run = "TestRow12"                    # as for go test -run
//
// The tree is never touched: the compiler sees the edit through go's -overlay. It is handed over
// in GOFLAGS, so that a test which builds one of the programs builds the mutated one.
//
// A mutant that survives is tried twice more, and the line says so if only that caught it.
//
// The exit status is 0 if every mutant was caught, 1 if one survived or is broken (it does not
// compile, or its test fails without it as well), 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(stderr)
	row := flags.Int("row", 0, "only the mutants of this `row`")
	file := flags.String("file", "", "only the mutants of this `file` (a name beside the program, or a path)")
	jobs := flags.Int("jobs", 2, "how `many` mutants to try at once")
	verbose := flags.Bool("v", false, "show what the tests printed")
	list := flags.Bool("list", false, "print the rows and their mutants as Markdown, and run nothing")
	limit := flags.Duration("timeout", 120*time.Second, "the time limit of one test `run`")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if flags.NArg() > 0 || *jobs < 1 || *limit <= 0 {
		_, _ = fmt.Fprintln(stderr, "mutants: want flags only, -jobs at least 1, a -timeout above 0; see -help")
		return 2
	}
	root, err := projectRoot()
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "mutants:", err)
		return 1
	}
	mutants, err := load(filepath.Join(root, "test", "mutants"), *file, *row)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "mutants:", err)
		return 1
	}
	if *list {
		printTable(stdout, mutants)
		return 0
	}
	r := &runner{root: root, limit: *limit, baselines: map[string]*baseline{}}
	return report(stdout, mutants, tryAll(ctx, r, mutants, *jobs, func(t trial) { progress(stdout, t, *verbose) }))
}

// projectRoot is the nearest folder above with a go.mod.
func projectRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the current folder: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above: run from inside the project", start)
		}
	}
}

// tryAll tries the mutants, jobs at a time, and tells done of each as soon as it is judged.
func tryAll(ctx context.Context, r *runner, mutants []mutant, jobs int, done func(trial)) []trial {
	var (
		trials = make([]trial, len(mutants))
		slots  = make(chan struct{}, jobs)
		all    sync.WaitGroup
		one    sync.Mutex
	)
	for i, m := range mutants {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			trials[i] = r.try(ctx, m)
			one.Lock()
			defer one.Unlock()
			done(trials[i])
		})
	}
	all.Wait()
	return trials
}

func progress(w io.Writer, t trial, verbose bool) {
	tries := ""
	if t.outcome == caught && t.tries > 1 {
		tries = fmt.Sprintf(", only at try %d: make that test surer", t.tries)
	}
	_, _ = fmt.Fprintf(w, "%-8s  row %2d  %s  (%s, %.1fs%s)\n",
		t.outcome, t.mutant.Row, t.mutant.Name, t.test, t.took.Seconds(), tries)
	if verbose {
		_, _ = fmt.Fprintln(w, indent(t.output))
	}
}

// report repeats what went wrong at the end, where it is read, and returns the exit status.
func report(w io.Writer, mutants []mutant, trials []trial) int {
	bad := 0
	for _, t := range trials {
		if t.outcome == caught {
			continue
		}
		bad++
		_, _ = fmt.Fprintf(w, "\n%s: %s: row %d, %q\n  %s\n", t.outcome, t.mutant.source, t.mutant.Row, t.mutant.Name, t.why)
		if t.outcome == broken && t.output != "" {
			_, _ = fmt.Fprintln(w, indent(t.output))
		}
	}
	_, _ = fmt.Fprintf(w, "\n%d mutants, %d caught, %d not\n", len(mutants), len(mutants)-bad, bad)
	if bad > 0 {
		return 1
	}
	return 0
}

func printTable(w io.Writer, mutants []mutant) {
	_, _ = fmt.Fprint(w, "| row | mutant | test |\n| --- | --- | --- |\n")
	for _, m := range mutants {
		_, _ = fmt.Fprintf(w, "| %d | %s | `%s` in `%s` |\n", m.Row, strings.ReplaceAll(m.Name, "|", `\|`), m.Run, m.Package)
	}
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}

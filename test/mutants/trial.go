package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

type outcome string

const (
	caught   outcome = "caught"
	survived outcome = "survived"
	// broken: the trial says nothing about the test.
	broken outcome = "BROKEN"
)

// A trial is what became of one mutant.
type trial struct {
	mutant  mutant
	outcome outcome
	// test is the first test that failed, or the pattern if none did.
	test   string
	why    string
	output string
	took   time.Duration
	tries  int
}

// A runner tries mutants of the project in root.
type runner struct {
	root  string
	limit time.Duration

	mu        sync.Mutex
	baselines map[string]*baseline
}

// A baseline is the run of a package's tests without any mutant. Mutants share it.
type baseline struct {
	once   sync.Once
	why    string
	output string
}

// try applies m and runs its test.
func (r *runner) try(ctx context.Context, m mutant) (t trial) {
	t = trial{mutant: m, outcome: broken, test: m.Run}
	start := time.Now()
	defer func() { t.took = time.Since(start) }()

	edited, err := m.apply(r.root)
	if err != nil {
		t.why = err.Error()
		return t
	}
	if b := r.baseline(ctx, m); b.why != "" {
		t.why, t.output = b.why, b.output
		return t
	}
	start = time.Now()
	overlay, remove, err := writeOverlay(edited)
	if err != nil {
		t.why = err.Error()
		return t
	}
	defer remove()
	for t.tries = 1; ; t.tries++ {
		result, err := r.goTest(ctx, m, overlay)
		t.output = result.output
		switch {
		case err != nil:
			t.why = err.Error()
		case result.buildFailed:
			t.why = "the mutant does not compile"
		case result.failed:
			t.outcome = caught
			if result.firstFailed != "" {
				t.test = result.firstFailed
			}
		case t.tries < maxTries:
			continue
		default:
			t.outcome = survived
			t.why = fmt.Sprintf("go test -run %s %s passes with the defence taken out of %s", m.Run, m.Package, m.File)
		}
		return t
	}
}

// maxTries is how often a mutant must survive. Some defences are against a race, which a test provokes in
// most of its runs and not in all.
const maxTries = 3

// baseline makes sure that m's test exists, runs, and passes while nothing is mutated.
func (r *runner) baseline(ctx context.Context, m mutant) *baseline {
	key := m.Package + " " + m.Run
	r.mu.Lock()
	b := r.baselines[key]
	if b == nil {
		b = &baseline{}
		r.baselines[key] = b
	}
	r.mu.Unlock()
	b.once.Do(func() {
		result, err := r.goTest(ctx, m, "")
		b.output = result.output
		switch {
		case err != nil:
			b.why = err.Error()
		case result.buildFailed:
			b.why = "the package does not compile even without the mutant"
		case result.failed:
			b.why = "the test fails even without the mutant"
		case result.passed == 0 && result.skipped > 0:
			b.why = "the test was skipped, its output says why"
		case result.passed == 0:
			b.why = fmt.Sprintf("no test in %s matches -run %s", m.Package, m.Run)
		}
	})
	return b
}

// A testResult is what one run of go test -json told.
type testResult struct {
	passed, skipped     int
	failed, buildFailed bool
	firstFailed         string
	output              string
}

// goTest runs m's test, with the edit in overlay unless it is empty. The error is about running
// go itself, not about tests that fail.
func (r *runner) goTest(ctx context.Context, m mutant, overlay string) (testResult, error) {
	// The test binary ends itself after limit and says what hung; the rest is time to compile.
	ctx, cancel := context.WithTimeout(ctx, r.limit+5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-vet=off", "-failfast",
		"-timeout="+r.limit.String(), "-run="+m.Run, m.Package)
	cmd.Dir = r.root
	if overlay != "" {
		cmd.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	}
	// A group of its own, so that the test binary ends together with go.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	result := readEvents(&stdout)
	result.output += stderr.String()
	if ctx.Err() != nil {
		return result, fmt.Errorf("go test was ended: %w", ctx.Err())
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return result, fmt.Errorf("run go test: %w", err)
	}
	if err != nil && !result.failed {
		return result, fmt.Errorf("go test failed without saying of which test: %w", err)
	}
	return result, nil
}

// readEvents sums up the events of go test -json (go doc test2json).
func readEvents(stdout *bytes.Buffer) testResult {
	var (
		result testResult
		output strings.Builder
	)
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct{ Action, Test, Output, FailedBuild string }
		if json.Unmarshal(lines.Bytes(), &event) != nil {
			output.WriteString(lines.Text() + "\n")
			continue
		}
		output.WriteString(event.Output)
		switch event.Action {
		case "pass":
			if event.Test != "" {
				result.passed++
			}
		case "skip":
			if event.Test != "" {
				result.skipped++
			}
		case "fail":
			result.failed = true
			result.buildFailed = result.buildFailed || event.FailedBuild != ""
			// The name that matters is the test's, not its case's.
			if name, _, _ := strings.Cut(event.Test, "/"); result.firstFailed == "" {
				result.firstFailed = name
			}
		}
	}
	result.output = output.String()
	return result
}

// writeOverlay keeps edited files in a temporary folder, with the JSON file that makes go read them
// instead of those at their paths. The caller calls remove when go is done.
func writeOverlay(edited map[string][]byte) (overlay string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for the mutant: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	replace := map[string]string{}
	for path, text := range edited {
		replacement := filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(path)))
		replace[path] = replacement
		err = errors.Join(err, os.WriteFile(replacement, text, 0o600))
	}
	index, marshalErr := json.Marshal(map[string]map[string]string{"Replace": replace})
	overlay = filepath.Join(dir, "overlay.json")
	if err = errors.Join(err, marshalErr, os.WriteFile(overlay, index, 0o600)); err != nil {
		remove()
		return "", nil, fmt.Errorf("write the mutant: %w", err)
	}
	return overlay, remove, nil
}

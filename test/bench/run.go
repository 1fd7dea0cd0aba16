package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"tandem/test/bench/peer"
	"tandem/test/bench/people"
	"tandem/test/bench/proc"
)

// settings are the command's options.
type settings struct {
	rounds   int
	duration time.Duration
	data     string
	tandemd  string
}

// bench is one run of the command.
type bench struct {
	settings settings
	place    peer.Place
	progress io.Writer
}

func newBench(s settings, progress io.Writer) (*bench, error) {
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tandem-bench-run-")
	if err != nil {
		return nil, err
	}
	memory, err := os.MkdirTemp("/dev/shm", "tandem-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, progress: progress, place: peer.Place{Dir: dir, Memory: memory, Cache: s.data, Tandemd: s.tandemd, ServerCore: -1, LoadCore: -1}}
	if runtime.NumCPU() < 2 {
		fmt.Fprintln(progress, "There is one core only: servers, directory and load share it, and the ratios say little.")
		return b, nil
	}
	b.place.ServerCore, b.place.LoadCore = 0, 1
	return b, nil
}

func (b *bench) close() {
	_ = os.RemoveAll(b.place.Dir)
	_ = os.RemoveAll(b.place.Memory)
}

// benchCase is one comparison.
type benchCase struct {
	name, about string
	// notes are printed under its table.
	notes []string
	lines []line
	bars  []bar
}

// line is one row of its table.
type line struct {
	label string
	// users is how many there are; who is started with as many in the same way is started once.
	users int
	start starter
	work  work
	// against is the label of the line that this one is divided by; "": none.
	against string
}

// starter starts a server with so many users. The name tells it from the case's others.
type starter struct {
	name  string
	start func(e *estate, users int) (*subject, error)
}

// run measures a case: all its servers run, and its lines take turns.
func (b *bench) run(ctx context.Context, c benchCase) (report, error) {
	e := &estate{bench: b, subjects: map[string]*subject{}, directories: map[int]*peer.Directory{}}
	defer e.stop()
	r := report{Case: c.name, About: c.about, Notes: c.notes, bars: c.bars}
	for _, l := range c.lines {
		if _, err := e.subject(l); err != nil {
			return report{}, fmt.Errorf("%s: %w", l.label, err)
		}
		r.Lines = append(r.Lines, reportLine{Label: l.label, against: l.against})
	}
	if b.place.LoadCore >= 0 {
		if err := proc.PinSelf(b.place.LoadCore); err != nil {
			return report{}, err
		}
	}
	for round := range b.settings.rounds {
		fmt.Fprintf(b.progress, "%s: round %d of %d\n", c.name, round+1, b.settings.rounds)
		for i, l := range c.lines {
			s, err := e.subject(l)
			if err != nil {
				return report{}, err
			}
			m, err := b.measureOnce(ctx, s, l.work, r.reached(l.work.of))
			if err != nil {
				return report{}, fmt.Errorf("%s: %w", l.label, err)
			}
			r.Lines[i].Measurements = append(r.Lines[i].Measurements, m)
		}
	}
	return r, nil
}

// estate is what runs for one case.
type estate struct {
	bench       *bench
	subjects    map[string]*subject
	directories map[int]*peer.Directory
	ends        []func()
}

// subject returns the line's server, started if it is not yet.
func (e *estate) subject(l line) (*subject, error) {
	key := fmt.Sprintf("%s, %d users", l.start.name, l.users)
	if s := e.subjects[key]; s != nil {
		return s, nil
	}
	fmt.Fprintf(e.bench.progress, "starting %s\n", key)
	s, err := l.start.start(e, l.users)
	if err != nil {
		return nil, err
	}
	e.ends = append(e.ends, s.server.Stop)
	s.users, s.total = people.NewTurn(l.users), l.users
	e.subjects[key] = s
	return s, nil
}

// directory returns the slapd with so many users.
func (e *estate) directory(users int) (*peer.Directory, error) {
	if d := e.directories[users]; d != nil {
		return d, nil
	}
	d, err := e.bench.place.Slapd(users)
	if err != nil {
		return nil, err
	}
	e.ends = append(e.ends, d.Stop)
	e.directories[users] = d
	return d, nil
}

// tandem starts a tandemd, built from this tree if none was named.
func (e *estate) tandem(t peer.Tandem) (*peer.Server, error) {
	if err := e.bench.place.Build(); err != nil {
		return nil, err
	}
	return e.bench.place.Tandem(t)
}

// stop ends everything, the last first.
func (e *estate) stop() {
	for i := len(e.ends) - 1; i >= 0; i-- {
		e.ends[i]()
	}
}

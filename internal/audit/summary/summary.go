package summary

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// LookBack is how long before the time that is asked for an earlier login keeps a source from being new. It is the
// default of throttle.remember_sources.
const LookBack = 720 * time.Hour

// Options of [Read].
type Options struct {
	// Since and Until bound what is counted: Since ≤ time < Until.
	Since, Until time.Time
	// Top is how many users, sources and groups of steps are listed.
	Top int
}

// Summary is what happened. Times are in UTC, durations in milliseconds.
type Summary struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Files are those that were read, oldest first; Skipped, those in a compression that is not read here.
	Files   []string `json:"files"`
	Skipped []string `json:"skipped_files,omitempty"`
	// Lines of that time. Unreadable ones have no time, and are counted wherever they were.
	Lines      int `json:"lines"`
	Unreadable int `json:"unreadable_lines"`
	// Broken are files that could not be read to their end, and why.
	Broken []string `json:"broken_files,omitempty"`

	Logins Logins `json:"logins"`
	// Accepted is by factor, or, where none was asked for, by reason.
	Accepted  []Count `json:"accepted_by"`
	Rejected  []Count `json:"rejected_by_reason"`
	Undecided []Count `json:"undecided_by_reason"`
	// Doors count the ends of logins.
	Doors []Count `json:"doors"`
	// Users are those with most rejects; Throttled, those of them that were refused for too many failures.
	Users     []User `json:"rejected_users"`
	Throttled []User `json:"throttled_users"`
	Sources   Source `json:"new_sources"`
	Sent      []Sent `json:"codes_sent"`
	// Slowest are the slowest steps of logins by door, factor and reason.
	Slowest []Took  `json:"slowest"`
	Admin   []Count `json:"admin_actions"`
	// Actions are the latest of those.
	Actions []Action `json:"latest_admin_actions"`
}

// Logins are how logins ended.
type Logins struct {
	Accepted int `json:"accepted"`
	Rejected int `json:"rejected"`
	// Undecided: directory, state, audit or a service was out of reach.
	Undecided int `json:"undecided"`
	// Unanswered: a code was asked for, and none came.
	Unanswered int `json:"unanswered"`
}

// Count is how often something happened.
type Count struct {
	Name string `json:"name"`
	// Meaning says in words what the name stands for; empty if the name does.
	Meaning string `json:"meaning,omitempty"`
	Count   int    `json:"count"`
}

// User is how often something happened to a user.
type User struct {
	User  string `json:"user"`
	Count int    `json:"count"`
	// Over is by how much Count may be too high, where there were too many users to count each.
	Over int       `json:"over,omitempty"`
	Last time.Time `json:"last"`
	// Detail is what the audit said then: of throttled users, until when they are refused.
	Detail string `json:"detail,omitempty"`
}

// Source are logins from where their user had not been.
type Source struct {
	Count  int         `json:"count"`
	Latest []NewSource `json:"latest"`
	// Since is how far back earlier logins are known: those of LookBack, or of what is left of the audit. If that is no
	// earlier than the summary itself, no source can be told to be new, and none is counted.
	Since time.Time `json:"compared_since"`
	// Incomplete: there were too many users and sources to remember; those that came then are not counted.
	Incomplete bool `json:"incomplete,omitempty"`
}

// NewSource is a login from where the user had not been.
type NewSource struct {
	Time   time.Time `json:"time"`
	User   string    `json:"user"`
	Source string    `json:"source"`
}

// Sent is what became of the codes of a factor that sends them.
type Sent struct {
	Factor string `json:"factor"`
	Sent   int    `json:"sent"`
	Failed int    `json:"failed"`
}

// Took is how long steps of a kind took.
type Took struct {
	// Kind is door, factor or reason.
	Kind  string  `json:"kind"`
	Name  string  `json:"name"`
	Steps int     `json:"steps"`
	P50   float64 `json:"p50_ms"`
	P95   float64 `json:"p95_ms"`
	Max   float64 `json:"max_ms"`
}

func compareTook(a, b Took) int {
	return cmp.Or(cmp.Compare(a.P95, b.P95), cmp.Compare(a.Max, b.Max), cmp.Compare(b.Kind, a.Kind), cmp.Compare(b.Name, a.Name))
}

// Action is something that an admin did.
type Action struct {
	Time   time.Time `json:"time"`
	By     string    `json:"by"`
	Action string    `json:"action"`
	User   string    `json:"user,omitempty"`
	// Device is the name of the one that it was done to, and Detail says more.
	Device string `json:"device,omitempty"`
	Detail string `json:"detail,omitempty"`
	// Error says that it failed, and why.
	Error string `json:"error,omitempty"`
}

// Read summarises the audit file at path and its rotated ones, or stdin if path is [Stdin].
func Read(path string, stdin io.Reader, o Options) (*Summary, error) {
	c := newCounting(o)
	if path == Stdin {
		c.file(Stdin, stdin)
		return c.summary(), nil
	}
	f, err := openFiles(path, o.Since.Add(-LookBack))
	if err != nil {
		return nil, err
	}
	defer f.close()
	c.skipped = f.skipped
	for _, file := range f.open {
		r, err := unpacked(file)
		if err != nil {
			c.broken = append(c.broken, err.Error())
			continue
		}
		c.file(file.Name(), r)
	}
	return c.summary(), nil
}

// file reads one file. What cannot be read to its end counts as far as it goes.
func (c *counting) file(name string, r io.Reader) {
	c.files = append(c.files, name)
	_, err := lines(r, c.line)
	if err != nil {
		c.broken = append(c.broken, fmt.Sprintf("%s: %v", name, err))
	}
}

// byCount sorts what was counted, the most frequent first.
func byCount(counts map[string]int, meanings map[string]string) []Count {
	all := make([]Count, 0, len(counts))
	for name, n := range counts {
		all = append(all, Count{Name: name, Meaning: meanings[name], Count: n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all
}

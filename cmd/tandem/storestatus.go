package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"tandem/internal/config"
	"tandem/store"
	"tandem/store/bolt"
	"tandem/store/etcd"
	"tandem/store/upkeep"
)

type storeStatusCmd struct {
	JSON bool `help:"Print the status as JSON."`
}

// storeStatus is what there is to say of a state.
type storeStatus struct {
	Type string `json:"type"`
	// Place is the file, or the prefix and the endpoints.
	Place string `json:"place"`
	store.About
	// Position is the number of the last commit: bolt's transaction, etcd's revision.
	Position uint64 `json:"position"`
	// Written is when the file was written last; only a file knows.
	Written *time.Time `json:"written,omitempty"`
	// Size in bytes, of the file.
	Size int64 `json:"size,omitempty"`
	// Records by kind.
	Records map[string]int `json:"records"`
	// Restored is nil if the state never went back in time.
	Restored *store.Restored `json:"restored,omitempty"`
	// Nodes and Members are etcd's.
	Nodes   []etcd.Node   `json:"nodes,omitempty"`
	Members []etcd.Member `json:"members,omitempty"`
}

// Run prints the status. It fails if the state cannot be served, or is not trusted.
func (c *storeStatusCmd) Run(e *env) error {
	cfg, at, err := place(e)
	if err != nil {
		return err
	}
	s, err := statusOf(e.ctx, cfg.Store, at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; tandemd begins a state when it starts, or `tandem store restore` brings one back", err)
	case err != nil:
		return err
	}
	if err := report(e.stdout, c.JSON, s, s.String()); err != nil {
		return err
	}
	if !s.well() {
		return errSilent
	}
	return nil
}

func statusOf(ctx context.Context, c config.Store, at upkeep.Place) (_ *storeStatus, err error) {
	snapshot, err := at.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	s := &storeStatus{Type: c.Type, Place: at.String(), About: snapshot.About(), Position: snapshot.Position(), Records: map[string]int{}}
	if err := snapshot.Walk(ctx, func(k store.Kept) error {
		kind, _, _ := strings.Cut(k.Key, "/")
		s.Records[kind]++
		if k.Key != store.RestoredKey {
			return nil
		}
		r, err := store.DecodeRestored(k.Value)
		s.Restored = &r
		return err
	}); err != nil {
		return nil, err
	}
	switch of := snapshot.(type) {
	case *bolt.Snapshot:
		s.Size = of.Size()
		if info, err := os.Stat(c.File); err == nil {
			written := info.ModTime().UTC()
			s.Written = &written
		}
	case *etcd.Snapshot:
		s.Nodes, s.Members = of.Nodes(), of.Members(ctx)
	}
	return s, nil
}

// well reports whether nothing has to be done.
func (s *storeStatus) well() bool {
	return s.MovedTo == "" && s.FilledFrom == "" && (s.Restored == nil || !s.Restored.Pending) &&
		len(s.alarms()) == 0 && !slices.ContainsFunc(s.Members, func(m etcd.Member) bool { return m.Error != "" })
}

// alarms are those that any member knows of.
func (s *storeStatus) alarms() (all []string) {
	for _, m := range s.Members {
		all = append(all, m.Alarms...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// String is the status for people.
func (s *storeStatus) String() string {
	var b strings.Builder
	say := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", what, fmt.Sprintf(format, args...))
	}
	say("state", "%s", s.Place)
	say("schema", "%d, by %s, begun %s", s.Schema, orSome(s.Program), s.Created.UTC().Format(time.RFC3339))
	switch {
	case s.Written != nil:
		say("commits", "up to %d, file written %s, %d bytes", s.Position, s.Written.Format(time.RFC3339), s.Size)
	default:
		say("commits", "up to revision %d", s.Position)
	}
	kinds := make([]string, 0, len(s.Records))
	for _, kind := range slices.Sorted(maps.Keys(s.Records)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, s.Records[kind]))
	}
	say("records", "%s", strings.Join(kinds, ", "))
	for _, n := range s.Nodes {
		say("node", "%s, last commit %d", n.Host, n.Revision)
	}
	for _, m := range s.Members {
		say("member", "%s", describeMember(m))
	}
	switch r := s.Restored; {
	case r == nil:
		say("history", "never went back in time, as far as its witness knows")
	case !r.Pending:
		say("history", "went back in time, noticed %s, accepted with a margin of %d: %s", r.Since.Format(time.RFC3339), r.Accepted[len(r.Accepted)-1].Margin, r.Why)
	default:
		say("RESTORED", "noticed %s: %s", r.Since.Format(time.RFC3339), r.Why)
		say("", "%s", store.RestoredRemedy)
	}
	if s.MovedTo != "" {
		say("MOVED", "to %s; nobody serves it here", s.MovedTo)
	}
	if s.FilledFrom != "" {
		say("PARTIAL", "being filled from %s; run that command again", s.FilledFrom)
	}
	return b.String()
}

func describeMember(m etcd.Member) string {
	if m.Error != "" {
		return m.Endpoint + " does not answer: " + m.Error
	}
	text := fmt.Sprintf("%s, etcd %s, %d bytes, %d of them in use", m.Endpoint, m.Version, m.Size, m.Used)
	if m.Leader {
		text += ", leads"
	}
	if len(m.Alarms) > 0 {
		text += ", ALARM " + strings.Join(m.Alarms, " ")
	}
	return text
}

func orSome(program string) string {
	if program == "" {
		return "an older Tandem"
	}
	return program
}

package etcd

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/store"
	"tandem/test/etcdtest"
)

// quick is the timeout of stores whose members are to fail.
const quick = time.Second

// startingAt is the list with the one at place first.
func startingAt(list []string, place int) []string {
	return slices.Concat(list[place:], list[:place])
}

// until has try repeated until it returns nil, and returns how long that took.
func until(t *testing.T, limit time.Duration, try func() error) time.Duration {
	t.Helper()
	began := time.Now()
	for n := 0; ; n++ {
		err := try()
		took := time.Since(began)
		switch {
		case err == nil:
			return took
		case !errors.Is(err, store.ErrUnavailable):
			t.Fatal(err)
		case took > limit:
			t.Fatalf("nothing succeeded for %v: %v", took, err)
		}
	}
}

// wantFailClosed expects that nothing is answered, and that nobody waits for long.
func wantFailClosed(t *testing.T, s *Store) {
	t.Helper()
	var all sync.WaitGroup
	for what, try := range map[string]func() error{
		"Update": func() error { return claim(t.Context(), s, "while cut off") },
		"a blind Update": func() error {
			return s.Update(t.Context(), func(tx store.Tx) error { tx.Put("blind", nil, time.Hour); return nil })
		},
		"View":  func() error { _, err := value(s, "before"); return err },
		"Check": func() error { return s.Check(t.Context()) },
	} {
		all.Go(func() {
			began := time.Now()
			err := try()
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), s.cluster.members[0].endpoint) {
				t.Errorf("%s: %v, want unavailable, and which cluster", what, err)
			}
			if took := time.Since(began); took > 2*quick {
				t.Errorf("%s took %v", what, took)
			}
		})
	}
	all.Wait()
	if unknown := s.Stats().Unknown; unknown != 0 {
		t.Errorf("%d commits were sent into the void", unknown)
	}
}

func TestRow47_MajorityGoesOn(t *testing.T) {
	c := etcdtest.Start(t, 3)
	prefix := freshPrefix()
	for _, tt := range []struct {
		name  string
		leads bool
		fail  func(int)
		heal  func(int)
	}{
		{"a paused leader", true, c.Pause, c.Resume},
		{"a killed leader", true, c.Kill, c.Restart},
		{"a paused follower", false, c.Pause, c.Resume},
		{"a killed follower", false, c.Kill, c.Restart},
	} {
		t.Run(tt.name, func(t *testing.T) {
			victim := c.Leader()
			if !tt.leads {
				victim = (victim + 1) % 3
			}
			s := mustOpen(t, Options{Endpoints: startingAt(c.Endpoints(), victim), Prefix: prefix, Timeout: quick})
			before, after := tt.name+", before", tt.name+", after"
			if err := claim(t.Context(), s, before); err != nil {
				t.Fatal(err)
			}
			tt.fail(victim)
			n := 0
			if took := until(t, 20*time.Second, func() error {
				n++
				return claim(t.Context(), s, fmt.Sprint(after, n))
			}); took > 3*time.Second {
				t.Errorf("the others went on after %v", took)
			} else {
				t.Logf("the others went on after %v, at try %d", took, n)
			}
			if tt.leads && c.Leader() == victim {
				t.Error("there was no failover: the test shows nothing")
			}
			if err := claim(t.Context(), s, before); !errors.Is(err, errTaken) {
				t.Errorf("a code from before: %v, want taken", err)
			}
			if err := s.Check(t.Context()); err != nil {
				t.Error(err)
			}
			tt.heal(victim)
			c.WaitHealthy()
		})
	}
}

func TestRow47_MinorityRejects(t *testing.T) {
	c := etcdtest.Start(t, 3)
	s := mustOpen(t, Options{Endpoints: c.Endpoints(), Timeout: quick})
	if err := claim(t.Context(), s, "before"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		fail func(int)
		heal func(int)
	}{
		{"killed", c.Kill, c.Restart},
		{"paused", c.Pause, c.Resume},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fail(1)
			tt.fail(2)
			wantFailClosed(t, s)
			tt.heal(1)
			tt.heal(2)
			until(t, 20*time.Second, func() error { return s.Check(t.Context()) })
			until(t, 5*time.Second, func() error { return claim(t.Context(), s, tt.name) })
			if err := claim(t.Context(), s, "before"); !errors.Is(err, errTaken) {
				t.Errorf("a code from before: %v, want taken", err)
			}
			c.WaitHealthy()
		})
	}
}

func TestRow47_OneNodeIsCutOff(t *testing.T) {
	c := etcdtest.Start(t, 3)
	for _, tt := range []struct {
		name string
		fail func(*etcdtest.Wire)
	}{
		{"refused", (*etcdtest.Wire).Cut},
		{"dropped", (*etcdtest.Wire).Hang},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wire, prefix := c.Wire(t), freshPrefix()
			s := mustOpen(t, Options{Endpoints: wire.Endpoints(), Prefix: prefix, Timeout: quick})
			other := mustOpen(t, Options{Endpoints: c.Endpoints(), Prefix: prefix, Timeout: quick})
			if err := claim(t.Context(), s, "before"); err != nil {
				t.Fatal(err)
			}
			tt.fail(wire)
			wantFailClosed(t, s)
			if err := claim(t.Context(), other, "meanwhile"); err != nil {
				t.Errorf("the other node: %v", err)
			}
			wire.Heal()
			until(t, 5*time.Second, func() error { return s.Check(t.Context()) })
			for _, code := range []string{"before", "meanwhile"} {
				if err := claim(t.Context(), s, code); !errors.Is(err, errTaken) {
					t.Errorf("the code used %s: %v, want taken", code, err)
				}
			}
		})
	}
}

package yubico

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/store/bolt"
	"tandem/verify"
	"tandem/verify/policy"
)

// oneUser is a directory of alice, whose password is "wonderland".
type oneUser struct{ user *directory.User }

func (o oneUser) Lookup(context.Context, string) (*directory.User, error) { return o.user, nil }

func (oneUser) CheckPassword(_ context.Context, _ *directory.User, password string) error {
	if password != "wonderland" {
		return directory.ErrWrongPassword
	}
	return nil
}

// appended logs in through the core and a real store, with what is typed into one field.
func appended(t *testing.T, f *Factor, u *directory.User) func(typed string) verify.Verdict {
	t.Helper()
	s, err := bolt.Open(bolt.Options{Path: filepath.Join(t.TempDir(), "state.db"), Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	p := &policy.Policy{Name: "default", Mode: policy.Append, Second: policy.DemandRequired, Tries: 1, LoginTimeout: time.Minute}
	core, err := verify.New(t.Context(), verify.Config{
		Store: s, Audit: verify.AuditFunc(func(verify.Record) error { return nil }), Log: slog.New(slog.DiscardHandler),
	}, verify.Setup{
		Directory: oneUser{u}, Factors: []verify.Factor{f}, Policies: map[string]*policy.Policy{"default": p},
		Throttle: verify.Throttle{SourceBurst: 100, SourceRefill: time.Minute, UserBurst: 100, UserRefill: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(typed string) verify.Verdict {
		return core.Start(t.Context(), verify.Attempt{Door: "test", Client: "test", User: "alice", Secret: secret.New(typed), Policy: "default"})
	}
}

// TestAppendedToThePassword: a wrong password burns a code at a server, as the package says, and not one that is
// checked here. What is claimed is claimed in a real store.
func TestAppendedToThePassword(t *testing.T) {
	bare := answering(func(honest fields) fields {
		return sign(changed(honest, fields{"timestamp": "", "sessioncounter": "", "sessionuse": ""}))
	})
	for name, c := range map[string]struct {
		device directory.Device
		server bool
		bare   bool
		after  verify.Outcome // of the right password after a wrong one, with the same code
	}{
		"checked here":                         {device: alices.full(t), after: verify.Accept},
		"checked by a server":                  {device: alices.device(), server: true, after: verify.Reject},
		"checked by a server without counters": {device: alices.device(), server: true, bare: true, after: verify.Reject},
	} {
		t.Run(name, func(t *testing.T) {
			f := localFactor(t)
			if c.server {
				v := newValidator(t)
				if c.bare {
					v.liesBy(bare)
				}
				f = remoteFactor(t, configOf(t, v))
			}
			login := appended(t, f, owner(c.device))
			for _, step := range []struct {
				typed string
				want  verify.Outcome
			}{
				{"wonderland" + alices.code(t, 1, 1), verify.Accept},
				{"wonderland" + alices.code(t, 1, 1), verify.Reject},
				{"wonderland" + alices.code(t, 1, 2), verify.Accept},
				{"guessed" + alices.code(t, 1, 3), verify.Reject},
				{"wonderland" + alices.code(t, 1, 3), c.after},
				{"wonderland" + alices.code(t, 1, 4), verify.Accept},
				{"wonderland" + bobs.code(t, 1, 1), verify.Reject},
				{"wonderland", verify.Reject},
				{alices.code(t, 1, 5), verify.Reject},
			} {
				if v := login(step.typed); v.Outcome != step.want {
					t.Errorf("%.10s…: %s, %s; want %s", step.typed, v.Outcome, v.Reason, step.want)
				}
			}
		})
	}
}

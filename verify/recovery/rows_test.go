package recovery_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/store/bolt"
	"tandem/verify"
	"tandem/verify/policy"
	"tandem/verify/recovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// crowd is a directory with one user, of whom it checks passwords only when so many have come at once: whoever
// passes has had the code checked, as codes are looked at first, and nobody has claimed one yet.
type crowd struct {
	size    int
	mu      sync.Mutex
	waiting int
	open    chan struct{}
}

func newCrowd(size int) *crowd { return &crowd{size: size, open: make(chan struct{})} }

func (*crowd) Lookup(context.Context, string) (*directory.User, error) { return alice, nil }

func (c *crowd) CheckPassword(ctx context.Context, _ *directory.User, typed string) error {
	if typed != "correct horse" {
		return directory.ErrWrongPassword
	}
	c.mu.Lock()
	if c.waiting++; c.waiting == c.size {
		close(c.open)
	}
	c.mu.Unlock()
	select {
	case <-c.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// nodes are cores over one bolt store.
func nodes(t *testing.T, n int, d verify.Directory) []*verify.Core {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s, err := bolt.Open(bolt.Options{Path: filepath.Join(t.TempDir(), "state.db"), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	cores := make([]*verify.Core, n)
	for i := range cores {
		cores[i], err = verify.New(t.Context(), verify.Config{
			Store: s, Log: log, Audit: verify.AuditFunc(func(verify.Record) error { return nil }),
		}, verify.Setup{
			Directory: d,
			Factors:   []verify.Factor{recovery.New(now)},
			Policies: map[string]*policy.Policy{"p": {
				Name: "p", Mode: policy.Append, Second: policy.DemandRequired, Tries: 1, LoginTimeout: time.Minute,
			}},
			Throttle: verify.Throttle{SourceBurst: 5, SourceRefill: time.Minute, UserBurst: 25, UserRefill: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return cores
}

func give(t *testing.T, c *verify.Core, record []byte) {
	t.Helper()
	if account, err := c.PutRecord(t.Context(), "Alice", recovery.Key, record); err != nil || account != "alice" {
		t.Fatalf("%q, %v", account, err)
	}
}

func left(t *testing.T, c *verify.Core) int {
	t.Helper()
	_, record, err := c.Record(t.Context(), "alice", recovery.Key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := recovery.Left(record)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func login(ctx context.Context, c *verify.Core, code string) verify.Verdict {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return c.Start(ctx, verify.Attempt{
		Door: "radius", Client: "vpn", NAS: "gw", Source: "198.51.100.7", User: "alice", Policy: "p",
		Secret: secret.New("correct horse" + code),
	})
}

// atOnce makes one attempt with each code, all at once, spread over the nodes, and counts their ends.
func atOnce(t *testing.T, cores []*verify.Core, codes []string) map[verify.Reason]int {
	t.Helper()
	reasons := make(chan verify.Reason, len(codes))
	var all sync.WaitGroup
	for i, code := range codes {
		all.Go(func() {
			v := login(t.Context(), cores[i%len(cores)], code)
			if (v.Outcome == verify.Accept) != (v.Reason == verify.ReasonOK) {
				t.Errorf("%s: %s", v.Outcome, v.Reason)
			}
			reasons <- v.Reason
		})
	}
	all.Wait()
	close(reasons)
	counted := map[verify.Reason]int{}
	for r := range reasons {
		counted[r]++
	}
	return counted
}

func repeat(code string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = code
	}
	return all
}

// TestRow35_RecoveryCodeUsedTwiceAtOnce: of a hundred attempts with one code, one is accepted.
func TestRow35_RecoveryCodeUsedTwiceAtOnce(t *testing.T) {
	const attempts = 100
	t.Run("on one node", func(t *testing.T) {
		codes, record := makeSet(t)
		core := nodes(t, 1, newCrowd(1))
		give(t, core[0], record)
		got := atOnce(t, core, repeat(codes[3], attempts))
		if got[verify.ReasonOK] != 1 || got[verify.ReasonReplayedCode]+got[verify.ReasonOverloaded] != attempts-1 {
			t.Errorf("%v", got)
		}
		if n := left(t, core[0]); n != 9 {
			t.Errorf("%d codes left", n)
		}
	})
	t.Run("on as many nodes", func(t *testing.T) {
		codes, record := makeSet(t)
		cores := nodes(t, attempts, newCrowd(attempts))
		give(t, cores[0], record)
		got := atOnce(t, cores, repeat(codes[3], attempts))
		if got[verify.ReasonOK] != 1 || got[verify.ReasonReplayedCode] != attempts-1 {
			t.Errorf("%v", got)
		}
		if n := left(t, cores[0]); n != 9 {
			t.Errorf("%d codes left", n)
		}
		if v := login(t.Context(), cores[7], codes[3]); v.Reason != verify.ReasonReplayedCode {
			t.Errorf("once more: %s", v.Reason)
		}
	})
}

// TestRow35_EachWayOfTypingIsTheSameCode: dashes and capitals make no second code of one.
func TestRow35_EachWayOfTypingIsTheSameCode(t *testing.T) {
	codes, record := makeSet(t)
	cores := nodes(t, 1, newCrowd(1))
	give(t, cores[0], record)
	plain := ""
	for i, r := range codes[0] {
		if i%5 != 4 {
			plain += string(r)
		}
	}
	for i, want := range []verify.Reason{verify.ReasonOK, verify.ReasonReplayedCode} {
		if v := login(t.Context(), cores[0], []string{codes[0], plain}[i]); v.Reason != want {
			t.Errorf("attempt %d: %s, want %s", i+1, v.Reason, want)
		}
	}
}

// TestRow35_ScratchCodesAreGoodOnce: those of another program as well.
func TestRow35_ScratchCodesAreGoodOnce(t *testing.T) {
	record, err := recovery.From([]secret.String{secret.New("55259776"), secret.New("47456833")}, now())
	if err != nil {
		t.Fatal(err)
	}
	core := nodes(t, 1, newCrowd(1))
	give(t, core[0], record)
	if got := atOnce(t, core, repeat("55259776", 20)); got[verify.ReasonOK] != 1 {
		t.Errorf("%v", got)
	}
	if record, err := recovery.From([]secret.String{secret.New("55259776"), secret.New("55259776")}, now()); err == nil {
		t.Errorf("one code twice: %s", record)
	}
}

// TestTwoCodesAtOnce: of two codes at the very same time on two nodes one is rejected, and is still good.
func TestTwoCodesAtOnce(t *testing.T) {
	codes, record := makeSet(t)
	cores := nodes(t, 2, newCrowd(2))
	give(t, cores[0], record)
	got := atOnce(t, cores, codes[:2])
	if got[verify.ReasonOK] != 1 || got[verify.ReasonReplayedCode] != 1 {
		t.Fatalf("%v", got)
	}
	again := map[verify.Reason]int{}
	for _, code := range codes[:2] {
		again[login(t.Context(), cores[0], code).Reason]++
	}
	if again[verify.ReasonOK] != 1 || again[verify.ReasonReplayedCode] != 1 {
		t.Errorf("once more: %v", again)
	}
	if n := left(t, cores[0]); n != 8 {
		t.Errorf("%d codes left", n)
	}
}

// TestSetsOfTheAdmin: a new set voids the old one, and a deleted one is nobody's.
func TestSetsOfTheAdmin(t *testing.T) {
	core := nodes(t, 1, newCrowd(1))[0]
	first, record := makeSet(t)
	give(t, core, record)
	second, record := makeSet(t)
	give(t, core, record)
	if v := login(t.Context(), core, first[0]); v.Outcome == verify.Accept {
		t.Errorf("a code of the old set: %s", v.Reason)
	}
	if v := login(t.Context(), core, second[0]); v.Reason != verify.ReasonOK {
		t.Errorf("a code of the new set: %s", v.Reason)
	}
	give(t, core, nil)
	if v := login(t.Context(), core, second[1]); v.Outcome == verify.Accept {
		t.Errorf("after the deletion: %s", v.Reason)
	}
	if n := left(t, core); n != 0 {
		t.Errorf("%d left", n)
	}
}

// TestReplaysAreNoGuesses: who types a used code again is not throttled for it.
func TestReplaysAreNoGuesses(t *testing.T) {
	core := nodes(t, 1, newCrowd(1))[0]
	codes, record := makeSet(t)
	give(t, core, record)
	for i := range 20 {
		want := verify.ReasonReplayedCode
		if i == 0 {
			want = verify.ReasonOK
		}
		if v := login(t.Context(), core, codes[0]); v.Reason != want {
			t.Fatalf("attempt %d: %s", i+1, v.Reason)
		}
	}
	for range 10 {
		login(t.Context(), core, "0000-0000-0000-0000")
	}
	if v := login(t.Context(), core, codes[1]); v.Reason != verify.ReasonThrottled {
		t.Errorf("after many guesses: %s", v.Reason)
	}
}

func TestRecordsOfStrangers(t *testing.T) {
	core := nodes(t, 1, nobody{})[0]
	for _, name := range []string{"nobody", "", "a\nb", fmt.Sprintf("%0300d", 0), "nameless"} {
		if _, err := core.PutRecord(t.Context(), name, recovery.Key, []byte("{}")); err == nil {
			t.Errorf("PutRecord of %q", name)
		}
		if _, _, err := core.Record(t.Context(), name, recovery.Key); err == nil {
			t.Errorf("Record of %q", name)
		}
	}
}

// nobody is a directory of entries that nothing can be kept of.
type nobody struct{}

func (nobody) Lookup(_ context.Context, name string) (*directory.User, error) {
	if name == "nameless" {
		return &directory.User{Name: name}, nil // the entry has no identifier
	}
	return nil, directory.ErrNoUser
}

func (nobody) CheckPassword(context.Context, *directory.User, string) error {
	return directory.ErrWrongPassword
}

// Package factortest is the conformance suite that every factor passes, and what a factor's own tests need of
// the core: [Kept] keeps marks and records as the store does.
package factortest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"tandem/directory"
	"tandem/verify"
)

// Kept is what the store keeps of one user, in memory. The zero value is empty.
type Kept struct {
	mu      sync.Mutex
	marks   map[string]uint64
	records map[string][]byte
}

var _ verify.Marks = (*Kept)(nil)

// Mark implements [verify.Marks].
func (k *Kept) Mark(key string) (uint64, bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.marks[key]
	return v, ok, nil
}

// Record implements [verify.Marks].
func (k *Kept) Record(key string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Clone(k.records[key]), nil
}

// Put keeps a record.
func (k *Kept) Put(key string, value []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.records == nil {
		k.records = map[string][]byte{}
	}
	k.records[key] = value
}

// Take does what the core does with the finding of an attempt that it accepts. It reports whether the claim held.
func (k *Kept) Take(f verify.Finding) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.marks == nil {
		k.marks = map[string]uint64{}
	}
	if k.records == nil {
		k.records = map[string][]byte{}
	}
	for _, n := range f.Notes {
		k.marks[n.Key] = n.Value
		if n.For == 0 {
			delete(k.marks, n.Key)
		}
	}
	c := f.Claim
	if c.Reusable || c.Key == "" {
		return c.Reusable
	}
	if c.From != nil {
		if !bytes.Equal(k.records[c.Key], c.From) {
			return false
		}
		k.records[c.Key] = c.To
		return true
	}
	if held, ok := k.marks[c.Key]; ok && c.Value <= held {
		return false
	}
	k.marks[c.Key] = c.Value
	return true
}

// Subject is a factor that can check codes, with a user whom it serves.
type Subject struct {
	Factor verify.Checker
	User   *directory.User
	// Kept is what the store has of User before the first login; nil: nothing.
	Kept *Kept
	// Right returns a code that is right now, another one at each call.
	Right func(t *testing.T) string
	// Wrong are codes of a right shape that are not right.
	Wrong []string
}

// Run runs the suite.
func Run(t *testing.T, fresh func(t *testing.T) Subject) {
	t.Helper()
	tests := map[string]func(t *testing.T, s Subject){
		"name":               name,
		"once":               once,
		"two at a time":      twoAtATime,
		"in order":           inOrder,
		"wrong codes":        wrongCodes,
		"odd codes":          oddCodes,
		"nobody else's":      nobodyElses,
		"checking is no use": checkingIsNoUse,
		"no yes in doubt":    noYesInDoubt,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := fresh(t)
			if s.Kept == nil {
				s.Kept = &Kept{}
			}
			test(t, s)
		})
	}
}

func (s Subject) check(t *testing.T, u *directory.User, code string) verify.Finding {
	t.Helper()
	f, err := s.Factor.Check(t.Context(), u, code, s.Kept)
	if err != nil {
		t.Fatalf("check %q: %v", code, err)
	}
	return f
}

func name(t *testing.T, s Subject) {
	n := s.Factor.Name()
	if n == "" || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(n) > 32 {
		t.Errorf("the name %q cannot be typed: lower-case letters, digits and dashes, at most 32", n)
	}
	if s.Factor.Label() == "" {
		t.Error("no label")
	}
}

func once(t *testing.T, s Subject) {
	code := s.Right(t)
	fits := false
	for _, shape := range s.Factor.Shapes(s.User) {
		fits = fits || shape.Length == 0 || shape.Length == len(code) && strings.Trim(code, shape.Alphabet) == ""
	}
	if !fits {
		t.Errorf("the right code %q has none of the shapes %+v", code, s.Factor.Shapes(s.User))
	}
	first := s.check(t, s.User, code)
	if first.Result != verify.Match {
		t.Fatalf("a right code is %+v", first)
	}
	if !s.Kept.Take(first) {
		t.Fatalf("the claim %+v does not hold", first.Claim)
	}
	for range 3 {
		if again, err := s.Factor.Check(t.Context(), s.User, code, s.Kept); err == nil && again.Result == verify.Match && s.Kept.Take(again) {
			t.Fatalf("the same code once more: %+v", again)
		}
	}
}

func twoAtATime(t *testing.T, s Subject) {
	code := s.Right(t)
	var findings []verify.Finding
	for range 2 {
		f, err := s.Factor.Check(t.Context(), s.User, code, s.Kept)
		if err == nil && f.Result == verify.Match {
			findings = append(findings, f)
		}
	}
	yes := 0
	for _, f := range findings {
		if s.Kept.Take(f) {
			yes++
		}
	}
	if yes != 1 {
		t.Errorf("%d of two attempts with one code were a yes", yes)
	}
}

func inOrder(t *testing.T, s Subject) {
	for i := range 3 {
		f := s.check(t, s.User, s.Right(t))
		if f.Result != verify.Match || !s.Kept.Take(f) {
			t.Fatalf("login %d: %+v", i+1, f)
		}
	}
}

func wrongCodes(t *testing.T, s Subject) {
	if len(s.Wrong) == 0 {
		t.Fatal("no wrong codes")
	}
	for _, code := range s.Wrong {
		if f := s.check(t, s.User, code); f.Result == verify.Match {
			t.Errorf("%q: %+v", code, f)
		}
	}
}

// oddCodes: whatever a front door lets through, there is no panic and no yes.
func oddCodes(t *testing.T, s Subject) {
	right := s.Right(t)
	for _, code := range []string{
		"", " ", right + " ", " " + right, right + "\x00", "\x00" + right, right + "\n", right + right, right[1:], right + "0",
		strings.Repeat("0", 1024), "٠١٢٣٤٥", "１２３４５６", "\xff\xfe", "-" + right, "$code", "$(id)", "../../../etc/passwd",
	} {
		if f, err := s.Factor.Check(t.Context(), s.User, code, s.Kept); err == nil && f.Result == verify.Match {
			t.Errorf("%q: %+v", code, f)
		}
	}
}

// nobodyElses: a user without devices, addresses and attributes is not served.
func nobodyElses(t *testing.T, s Subject) {
	nobody := &directory.User{ID: "id-nobody", Name: "nobody"}
	_, holder := s.Factor.(verify.Holder)
	if shapes := s.Factor.Shapes(nobody); len(shapes) > 0 && !holder {
		t.Errorf("shapes of a user who has nothing: %+v", shapes)
	}
	if f, err := s.Factor.Check(t.Context(), nobody, s.Right(t), &Kept{}); err == nil && f.Result == verify.Match {
		t.Errorf("another one's code: %+v", f)
	}
}

// checkingIsNoUse: what was only checked is still to be had, unless somebody else consumes it by checking.
func checkingIsNoUse(t *testing.T, s Subject) {
	code := s.Right(t)
	before := s.check(t, s.User, code)
	s.check(t, s.User, s.Wrong[0])
	if !s.Kept.Take(before) {
		t.Error("a check by itself has used up the code")
	}
}

var errDown = errors.New("the store is down")

type down struct{}

func (down) Mark(string) (uint64, bool, error) { return 0, false, errDown }
func (down) Record(string) ([]byte, error)     { return nil, errDown }

// noYesInDoubt: without the store there may be a Match, which cannot be claimed then, but no panic; and with an
// ended context there is no yes that took longer than nothing.
func noYesInDoubt(t *testing.T, s Subject) {
	if f, err := s.Factor.Check(t.Context(), s.User, s.Wrong[0], down{}); err == nil && f.Result == verify.Match {
		t.Errorf("a wrong code without a store: %+v", f)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := s.Factor.Check(ended, s.User, s.Wrong[0], s.Kept); err == nil && f.Result == verify.Match {
		t.Errorf("a wrong code after the end of the attempt: %+v", f)
	}
}

// Send checks what every sender must hold: a user without an address is not reached, and the masked target does not
// give the address away.
func Send(t *testing.T, s verify.Sender, u *directory.User, address string) {
	t.Helper()
	masked, ok := s.Target(u)
	if !ok {
		t.Fatal("the user cannot be reached")
	}
	if address != "" && (strings.Contains(masked, address) || len(masked) > len("a…@e…")+8) {
		t.Errorf("the target %q tells too much", masked)
	}
	if masked, ok := s.Target(&directory.User{ID: "id-nobody", Name: "nobody"}); ok && address != "" {
		t.Errorf("a user without an address can be reached at %q", masked)
	}
	if s.ResendAfter() <= 0 {
		t.Error("codes may be sent without a pause")
	}
	if m, ok := s.(verify.Maker); ok {
		makes(t, m, u)
	}
}

func makes(t *testing.T, m verify.Maker, u *directory.User) {
	t.Helper()
	if l := m.Lifetime(); l <= 0 || l.Minutes() > 10 {
		t.Errorf("a code lives for %s", l)
	}
	seen := map[string]bool{}
	for range 20 {
		code, err := m.NewCode()
		if err != nil {
			t.Fatal(err)
		}
		fits := false
		for _, shape := range m.Shapes(u) {
			fits = fits || shape.Length == len(code.Reveal()) && strings.Trim(code.Reveal(), shape.Alphabet) == ""
		}
		if !fits {
			t.Fatalf("the code %q has none of the shapes %+v", code.Reveal(), m.Shapes(u))
		}
		seen[code.Reveal()] = true
	}
	if len(seen) < 15 {
		t.Errorf("20 codes, and only %d different ones", len(seen))
	}
}

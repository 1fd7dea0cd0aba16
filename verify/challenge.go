package verify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tandem/internal/secret"
	"tandem/store"
)

// A State is 16 random octets and 8 octets of a keyed checksum, in hexadecimal. The random part alone makes it
// unguessable (it is looked up by its hash); the checksum lets a busy front door tell a State of
// ours from junk without asking the store. It is text because some NASes take it for that, and send back what
// stands before the first NUL (ocserv 1.1.6 does).
const (
	stateRandom = 16
	stateSum    = 8
)

const stateKeyName = "meta/state-key"

// openSession is what an open challenge stands for, as the store keeps it.
type openSession struct {
	Attempt string `json:"attempt"`
	// Account is the user's identifier; empty for the challenge of a user who does not exist.
	Account string `json:"account"`
	// User is the name as typed: all that there is of a user who does not exist.
	User   string `json:"user"`
	Client string `json:"client"`
	NAS    string `json:"nas"`
	Policy string `json:"policy"`
	// Tries is how many codes may still be tried, and Steps how many answers may be none.
	Tries int `json:"tries"`
	Steps int `json:"steps"`
	// Factor is the one that the user was asked for; empty: any.
	Factor string `json:"factor,omitempty"`
	// Menu, if there is one, is what is being chosen from, as it was shown.
	Menu []string `json:"menu,omitempty"`
	// Sealed is the code that was sent, or the key of a device that is enrolled; see seal.
	Sealed []byte `json:"sealed,omitempty"`
	// Enrol is the device that the answer is to confirm, if that is what is asked; its key is in Sealed.
	Enrol *enrolling `json:"enrol,omitempty"`
	// Vouched is what the first factor said of the user.
	Vouched []Attribute `json:"vouched,omitempty"`
	// Doomed, if set, is why no answer will do.
	Doomed Reason `json:"doomed,omitempty"`

	code secret.String // what Sealed holds
	text string        // what is asked this time; empty: the policy's prompt
}

func (l *login) newSession() openSession {
	return openSession{Account: l.user.ID, Tries: l.policy.Tries, Steps: mostSteps}
}

// opened is a challenge that is about to be, or was, written.
type opened struct {
	state  []byte
	key    string
	record []byte
	text   string
	menu   bool
	retry  bool // it follows a wrong code
	// lifetime is how long it may be answered.
	lifetime  time.Duration
	enrolment *Enrolment
}

// prepareChallenge makes the challenge for s and everything it is bound to.
func (l *login) prepareChallenge(s openSession) (*opened, error) {
	random := make([]byte, stateRandom, stateRandom+stateSum)
	if _, err := io.ReadFull(l.core.rand, random); err != nil {
		return nil, fmt.Errorf("read random octets: %w", err)
	}
	state := hex.AppendEncode(nil, append(random, l.core.stateChecksum(random)...))
	s.Attempt, s.User, s.Client, s.NAS, s.Policy = l.ID, l.User, l.Client, l.NAS, l.policy.Name
	s.Sealed, s.Vouched = seal(state, s.code), l.vouched
	record, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode the challenge: %w", err)
	}
	o := &opened{state: state, key: challengeKey(state), record: record, text: s.text, menu: len(s.Menu) > 0, lifetime: l.policy.LoginTimeout}
	if s.Enrol != nil && s.Doomed == "" {
		o.lifetime, o.enrolment = max(s.Enrol.left(l.core.now()), time.Second), l.enrolment(s)
	}
	return o, nil
}

// openChallenge writes a challenge, together with c, and ends the step with it.
func (l *login) openChallenge(ctx context.Context, c commit, s openSession) ending {
	o, err := l.prepareChallenge(s)
	if err != nil {
		return unavailable(ReasonInternal, err)
	}
	c.open = o
	if e, ok := l.fail(ctx, c); !ok {
		return e
	}
	l.opened = o
	l.explain("challenge", "a code is asked for; %s to answer, %d tries", o.lifetime.Round(time.Second), s.Tries)
	return ending{outcome: Challenge, reason: ReasonCodeWanted}
}

// resume takes the answer to the challenge of that state.
func (l *login) resume(ctx context.Context, state []byte) ending {
	if l.Policy != "" {
		l.policy = l.setup.Policies[l.Policy] // until the challenge says which it was opened under
	}
	if e, ok := l.checkInput(); !ok {
		return e
	}
	if !l.core.Plausible(state) {
		l.explain("challenge", "the state was not made by this service")
		return reject(ReasonBadState)
	}
	key := challengeKey(state)
	session, e, ok := l.readChallenge(ctx, key)
	if !ok {
		return e
	}
	l.ID = session.Attempt
	if session.Client != l.Client || session.NAS != l.NAS {
		l.explain("challenge", "it was opened by client %q, NAS %q", session.Client, session.NAS)
		return rejectFor(ReasonForeignState, fmt.Errorf("opened by client %q, NAS %q", session.Client, session.NAS))
	}
	if !l.policyNamed(session.Policy) {
		return reject(ReasonNoPolicy)
	}
	e, found := l.findUser(ctx)
	switch {
	case e.outcome == Unavailable:
		return e
	case found && l.user.ID != session.Account, !found && (session.Account != "" || session.User != l.User):
		return rejectFor(ReasonForeignState, fmt.Errorf("opened for %q", session.User))
	case !found:
		return l.refuse(ctx, key, session, commit{}, reject(session.Doomed))
	}
	unlock, err := l.core.locks.lock(ctx, l.user.ID)
	if err != nil {
		return l.turnedAway(err)
	}
	defer unlock()
	l.level = l.policy.FirstLevel

	if session.Doomed == "" && !l.allowedIn() {
		session.Doomed = ReasonNotInGroup
	}
	if session.Doomed != "" {
		return l.refuse(ctx, key, session, commit{}, reject(session.Doomed))
	}
	l.proven = !l.FirstFactorDone
	if e, ok := l.checkThrottle(ctx); !ok { // a lockout since the challenge was opened counts (CVE-2026-16103)
		if e.outcome == Reject {
			session.Doomed = e.reason
			return l.refuse(ctx, key, session, commit{}, e)
		}
		return e
	}
	if _, e, ok := l.readChallenge(ctx, key); !ok { // an answer that came first has spent it
		return e
	}
	session.code, l.vouched = unseal(state, session.Sealed), session.Vouched
	if session.Enrol != nil {
		return l.confirm(ctx, key, session)
	}
	if e, ok := l.noCodeTyped(ctx, key, session); ok {
		return e
	}
	f, o := l.checkCode(ctx, l.Secret.Reveal(), session.Factor)
	switch {
	case f.Result == Match:
		return l.accept(ctx, ReasonOK, commit{spend: key, claim: &f.Claim, notes: f.Notes})
	case o.unknown() && !o.guessed && !l.policy.HideFirstFactor: // the challenge stands, for a service that is back in a moment
		return unavailable(ReasonFactorDown, o.err)
	}
	c, e := refusal(f)
	return l.refuse(ctx, key, session, c, e)
}

// noCodeTyped deals with answers that are no codes: a choice from the menu, the name of a factor, and the wish
// for the code once more. They cost no try, and there is an end to them. ok is false if the answer is a code.
func (l *login) noCodeTyped(ctx context.Context, key string, s openSession) (e ending, ok bool) {
	answer := l.Secret.Reveal()
	sender, sends := l.setup.factor(s.Factor).(Sender)
	again := sends && l.policy.ResendWord != "" && strings.EqualFold(strings.TrimSpace(answer), l.policy.ResendWord)
	chosen := l.named(answer)
	if s.Menu != nil {
		chosen = l.pick(s.Menu, answer)
	}
	switch {
	case l.policy.HideFirstFactor: // then every answer looks like a code
		return ending{}, false
	case !again && chosen == nil && (s.Menu == nil || l.fitsCode(answer)):
		return ending{}, false
	}
	if s.Steps--; s.Steps <= 0 {
		if e, ok := l.fail(ctx, commit{spend: key}); !ok {
			return e, true
		}
		return reject(ReasonBadChoice), true
	}
	switch c := (commit{spend: key}); {
	case chosen != nil:
		l.explain("choice", "%s", chosen.Name())
		return l.begin(ctx, c, s, chosen), true
	case again:
		return l.resend(ctx, c, s, sender), true
	default:
		return l.offerMenu(ctx, c, s, l.texts().BadChoice), true
	}
}

// fitsCode reports whether answer has a form that only codes have.
func (l *login) fitsCode(answer string) bool {
	return slices.ContainsFunc(l.candidates(), func(c candidate) bool { return c.shape.Length > 0 && c.shape.fits(answer) })
}

// offerMenu lets the user choose between the factors of s.Menu.
func (l *login) offerMenu(ctx context.Context, c commit, s openSession, notice string) ending {
	s.text = notice + l.menuText(s.Menu)
	l.explain("choice", "the user is asked for one of %s", strings.Join(s.Menu, ", "))
	return l.openChallenge(ctx, c, s)
}

// refuse spends the challenge that was answered wrongly, together with c, and asks again while there are
// tries left. Answers that could never have been right are treated like wrong codes, so that nobody
// learns from the number of questions which ones they were.
func (l *login) refuse(ctx context.Context, key string, session openSession, c commit, e ending) ending {
	c.spend = key
	if session.Tries > 1 {
		session.Tries--
		session.text, session.Menu = "", nil // a code was typed: codes are asked for from now on
		next, err := l.prepareChallenge(session)
		if err != nil {
			return unavailable(ReasonInternal, err)
		}
		next.retry = true
		c.open = next
	}
	if failed, ok := l.fail(ctx, c); !ok {
		return failed
	}
	if c.open != nil {
		l.opened, e.outcome = c.open, Challenge
		l.explain("challenge", "asked again; %d tries left", session.Tries)
	}
	return e
}

func (l *login) readChallenge(ctx context.Context, key string) (s openSession, e ending, ok bool) {
	err := l.core.store.View(ctx, func(r store.Reader) error {
		record, err := r.Get(key)
		if err != nil {
			return err
		}
		if record == nil {
			return errSpent
		}
		if err := json.Unmarshal(record, &s); err != nil {
			return fmt.Errorf("%w: decode the challenge: %w", store.ErrCorrupt, err)
		}
		return nil
	})
	switch {
	case errors.Is(err, errSpent):
		l.explain("challenge", "%v", errSpent)
		return s, rejectFor(ReasonBadState, errSpent), false
	case err != nil:
		l.explain("challenge", "the store cannot be read: %v", err)
		return s, unavailable(ReasonStoreDown, err), false
	}
	return s, ending{}, true
}

// Plausible reports whether state carries our checksum. It asks nobody and proves nothing about the
// challenge: it only lets a front door serve answers to challenges first.
func (c *Core) Plausible(state []byte) bool {
	raw, err := hex.AppendDecode(nil, state)
	return err == nil && len(raw) == stateRandom+stateSum &&
		hmac.Equal(c.stateChecksum(raw[:stateRandom]), raw[stateRandom:])
}

func (c *Core) stateChecksum(random []byte) []byte {
	m := hmac.New(sha256.New, c.stateKey)
	m.Write(random)
	return m.Sum(nil)[:stateSum]
}

// challengeKey hides the state in the store: who reads the file cannot answer a challenge.
func challengeKey(state []byte) string {
	h := sha256.Sum256(state)
	return "challenge/" + hex.EncodeToString(h[:16])
}

// loadStateKey reads the key of the checksum, the same for every node of one store.
func loadStateKey(ctx context.Context, s store.Store, random io.Reader) ([]byte, error) {
	fresh := make([]byte, 32)
	if _, err := io.ReadFull(random, fresh); err != nil {
		return nil, err
	}
	key := fresh
	err := s.Update(ctx, func(tx store.Tx) error {
		held, err := tx.Get(stateKeyName)
		if err != nil {
			return err
		}
		if len(held) == len(fresh) {
			key = held
			return nil
		}
		key = fresh
		tx.Put(stateKeyName, fresh, 0)
		return nil
	})
	return key, err
}

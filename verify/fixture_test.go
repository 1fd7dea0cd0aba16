package verify_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/store"
	"tandem/verify"
	"tandem/verify/hotp"
	"tandem/verify/oath"
	"tandem/verify/policy"
	"tandem/verify/totp"
)

// clock is a time that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// memory is a store.Store in a map: serializable because it is locked.
type memory struct {
	mu      sync.Mutex
	clock   *clock
	records map[string]memoryRecord
	down    error
	// unhurried counts the Updates that could wait.
	unhurried int
}

type memoryRecord struct {
	value   []byte
	expires time.Time
}

type memoryTx struct {
	m       *memory
	records map[string]memoryRecord
}

func (t memoryTx) Get(key string) ([]byte, error) {
	r, ok := t.records[key]
	if !ok || (!r.expires.IsZero() && !t.m.clock.Now().Before(r.expires)) {
		return nil, nil
	}
	return r.value, nil
}

func (t memoryTx) Put(key string, value []byte, ttl time.Duration) {
	r := memoryRecord{value: value}
	if ttl > 0 {
		r.expires = t.m.clock.Now().Add(ttl)
	}
	t.records[key] = r
}

func (t memoryTx) Delete(key string) { delete(t.records, key) }

func (m *memory) Update(ctx context.Context, fn func(store.Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if store.IsUnhurried(ctx) {
		m.unhurried++
	}
	if m.down != nil {
		return m.down
	}
	records := maps.Clone(m.records)
	if err := fn(memoryTx{m, records}); err != nil {
		return err
	}
	m.records = records
	return nil
}

func (m *memory) View(_ context.Context, fn func(store.Reader) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return m.down
	}
	return fn(memoryTx{m, m.records})
}

func (m *memory) Check(context.Context) error { return m.down }
func (m *memory) Close() error                { return nil }

func (m *memory) setDown(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.down = err
}

// people is a directory in memory that counts password checks.
type people struct {
	mu        sync.Mutex
	users     map[string]*directory.User // by any name that finds them
	passwords map[string]string          // by ID
	lookupErr error
	bindErr   error
	binds     int
	meanwhile func() // happens once, before the next password is checked
}

func (p *people) Lookup(_ context.Context, name string) (*directory.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lookupErr != nil {
		return nil, p.lookupErr
	}
	u, ok := p.users[strings.TrimSpace(strings.ToLower(name))] // LDAP ignores both, too
	if !ok {
		return nil, directory.ErrNoUser
	}
	return u, nil
}

func (p *people) CheckPassword(_ context.Context, u *directory.User, password string) error {
	p.mu.Lock()
	happens := p.meanwhile
	p.meanwhile = nil
	p.mu.Unlock()
	if happens != nil {
		happens()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.binds++
	switch {
	case p.bindErr != nil:
		return p.bindErr
	case password == "": // RFC 4513 §5.1.2: the server would say yes
		return nil
	case p.passwords[u.ID] != password:
		return directory.ErrWrongPassword
	}
	return nil
}

const (
	password = "correct horse"
	otherKey = "abcdefghijklmnopqrst"
	rfcKey   = "12345678901234567890" // RFC 4226 appendix D
)

// bench is one core with everything around it.
type bench struct {
	t      testing.TB
	clock  *clock
	store  *memory
	people *people
	policy *policy.Policy
	setup  verify.Setup
	core   *verify.Core

	mu       sync.Mutex
	records  []verify.Record
	auditErr error
}

func newBench(t testing.TB) *bench {
	t.Helper()
	c := &clock{now: time.Unix(1_700_000_010, 0)}
	b := &bench{t: t, clock: c, store: &memory{clock: c, records: map[string]memoryRecord{}}}
	alice := &directory.User{ID: "id-alice", Name: "alice", Devices: []directory.Device{totpDevice(rfcKey)}}
	b.people = &people{
		users:     map[string]*directory.User{"alice": alice, "alice@example.com": alice},
		passwords: map[string]string{"id-alice": password},
	}
	b.policy = &policy.Policy{
		Name: "default", Mode: policy.Append, Second: policy.DemandRequired, Tries: 1, LoginTimeout: 2 * time.Minute,
		Texts: policy.Texts{Prompt: "Code: ", Retry: "Again: ", Reject: "No."},
	}
	settings := oath.Settings{Digits: 6, Algorithm: "SHA1"}
	b.setup = verify.Setup{
		Directory: b.people,
		Factors: []verify.Factor{
			totp.New(totp.Config{Settings: settings, Period: 30, Range: 1}, c.Now),
			hotp.New(hotp.Config{Settings: settings, LookAhead: 10, ResyncWindow: 100}),
		},
		Policies: map[string]*policy.Policy{"default": b.policy}, Order: []*policy.Policy{b.policy},
		Throttle: verify.Throttle{SourceBurst: 5, SourceRefill: 5 * time.Minute, UserBurst: 25, UserRefill: 15 * time.Minute, RememberSources: 720 * time.Hour},
	}
	b.core = b.node()
	return b
}

// node makes one more core over the same store, as another node of a cluster would have.
func (b *bench) node() *verify.Core {
	b.t.Helper()
	core, err := verify.New(context.Background(), verify.Config{
		Store: b.store, Now: b.clock.Now, Log: discard,
		Audit: verify.AuditFunc(func(r verify.Record) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.records = append(b.records, r)
			return b.auditErr
		}),
	}, b.setup)
	if err != nil {
		b.t.Fatal(err)
	}
	return core
}

func (b *bench) alice() *directory.User { return b.people.users["alice"] }

func totpDevice(key string) directory.Device {
	return directory.Device{Type: directory.TypeTOTP, Name: "phone", Secret: secret.New(key)}
}

func hotpDevice(key string, counter uint64) directory.Device {
	return directory.Device{Type: directory.TypeHOTP, Name: "token", Secret: secret.New(key), Counter: counter}
}

// code is the TOTP code of key, steps away from now.
func (b *bench) code(key string, steps int64) string {
	return b.digits(key, uint64(b.clock.Now().Unix()/30+steps), 6)
}

func (b *bench) digits(key string, counter uint64, digits int) string {
	b.t.Helper()
	code, err := oath.Settings{Digits: digits, Algorithm: "SHA1"}.Code(directory.Device{Secret: secret.New(key)}, counter)
	if err != nil {
		b.t.Fatal(err)
	}
	return code
}

// wrong is a code that is not one of key's in a wide window.
func (b *bench) wrong(key string) string {
	now := b.clock.Now().Unix() / 30
	right := map[string]bool{}
	for s := int64(-3); s <= 3; s++ {
		right[b.digits(key, uint64(now+s), 6)] = true
	}
	for i := 0; ; i++ {
		if c := fmt.Sprintf("%06d", i); !right[c] {
			return c
		}
	}
}

func attempt(user, typed string) verify.Attempt {
	return verify.Attempt{
		Door: "radius", Client: "vpn", NAS: "gw1", Source: "198.51.100.7", User: user, Secret: secret.New(typed), Policy: "default",
	}
}

func (b *bench) try(typed string) verify.Verdict {
	b.t.Helper()
	return b.core.Start(context.Background(), attempt("alice", typed))
}

func (b *bench) answer(state []byte, typed string) verify.Verdict {
	b.t.Helper()
	return b.core.Resume(context.Background(), state, attempt("alice", typed))
}

// want fails the test unless v ended that way.
func want(t *testing.T, v verify.Verdict, o verify.Outcome, r verify.Reason) {
	t.Helper()
	if v.Outcome != o || v.Reason != r {
		t.Fatalf("got %v (%s), want %v (%s)", v.Outcome, v.Reason, o, r)
	}
}

func (b *bench) lastRecord() verify.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.records[len(b.records)-1]
}

var discard = slog.New(slog.DiscardHandler)

var errDown = errors.New("out of reach")

// marksOf reads the mark of a key as the store holds it, for assertions on counters.
func (b *bench) marks() map[string]uint64 {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	out := map[string]uint64{}
	for k, r := range b.store.records {
		if strings.HasPrefix(k, "mark/") {
			out[k] = binary.BigEndian.Uint64(r.value)
		}
	}
	return out
}

package yubico

import (
	"context"
	"fmt"
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
	"tandem/verify"
	"tandem/verify/provider"
)

// Config is how the factor checks codes. Without Servers, only devices whose key is known are served.
type Config struct {
	// Keys are known beside those that stand in the devices themselves, which come first.
	Keys Keys
	// Servers are the URLs of validation servers that are asked about all other devices:
	// https://api.yubico.com/wsapi/2.0/verify. Plain http:// is for loopback, or with AllowPlaintext.
	Servers        []string
	AllowPlaintext bool
	// ClientID and APIKey, in base64, are what the servers know us by, and what requests and answers are
	// signed with (HMAC-SHA-1).
	ClientID int
	APIKey   secret.String
	// CAFile holds the PEM certificates of the authorities that the servers' are signed by; empty: the host's own.
	CAFile string
	// Limits hold for one check over all servers.
	Limits provider.Limits
}

// Factor is the Yubico OTP factor.
type Factor struct {
	keys    Keys
	servers *servers // nil: none
	guard   *provider.Guard
}

var _ verify.Checker = (*Factor)(nil)

// New makes the factor. It asks nobody yet.
func New(c Config) (*Factor, error) {
	f := &Factor{keys: c.Keys, guard: provider.New(c.Limits)}
	if len(c.Servers) > 0 {
		s, err := newServers(c)
		if err != nil {
			return nil, err
		}
		f.servers = s
	}
	return f, nil
}

// Name implements [verify.Factor].
func (*Factor) Name() string { return "yubico" }

// Label implements [verify.Factor].
func (*Factor) Label() string { return "YubiKey" }

// Shapes implements [verify.Factor].
func (f *Factor) Shapes(u *directory.User) []verify.Shape {
	for _, d := range u.Devices {
		if _, known := f.key(d); d.Type == directory.TypeYubikey && (known || f.servers != nil) {
			return []verify.Shape{{Length: codeLength, Alphabet: modhex + strings.ToUpper(modhex)}}
		}
	}
	return nil
}

// key is what the codes of d are checked with here, if that is known.
func (f *Factor) key(d directory.Device) (Key, bool) {
	if !d.Secret.Empty() {
		return Key{AES: d.Secret, PrivateID: d.PrivateID}, true
	}
	k, ok := f.keys[d.PublicID]
	return k, ok
}

// Check implements [verify.Checker]: the device that the code names answers, if it is one of the user's.
func (f *Factor) Check(ctx context.Context, u *directory.User, typed string, marks verify.Marks) (verify.Finding, error) {
	c, ok := parseCode(typed)
	if !ok {
		return verify.Finding{}, nil
	}
	var devices []directory.Device
	for _, d := range u.Devices {
		if d.Type == directory.TypeYubikey && d.PublicID == c.id {
			devices = append(devices, d)
		}
	}
	if len(devices) == 0 {
		return verify.Finding{Detail: "no YubiKey of this user's has the public id " + c.id}, nil
	}
	p, err := recall(marks, c.id)
	if err != nil {
		return verify.Finding{}, fmt.Errorf("YubiKey %s: %w", c.id, err)
	}
	if p.holds(c) {
		return verify.Finding{Result: verify.Used, Device: devices[0].Name}, nil
	}

	best, local := verify.Finding{}, false
	for _, d := range devices { // an entry of before the key was programmed anew may still stand there
		key, known := f.key(d)
		if !known {
			continue
		}
		local = true
		finding := verify.Finding{Result: verify.NoMatch}
		if at, right := key.open(c); right {
			finding = p.accept(c, &at)
		}
		if finding.Device = d.Name; finding.Better(best) {
			best = finding
		}
	}
	if local || f.servers == nil {
		return best, nil
	}
	finding, err := f.ask(ctx, c, p)
	finding.Device = devices[0].Name
	return finding, err
}

// ask has the validation servers check c.
func (f *Factor) ask(ctx context.Context, c code, p past) (verify.Finding, error) {
	var a answer
	err := f.guard.Do(ctx, func(ctx context.Context) (err error) {
		a, err = f.servers.ask(ctx, c, p)
		return err
	})
	switch {
	case err != nil:
		return verify.Finding{}, fmt.Errorf("ask the validation servers about YubiKey %s: %w", c.id, err)
	case a.result != verify.Match:
		return verify.Finding{Result: a.result, Detail: a.String()}, nil
	}
	finding := p.accept(c, a.at)
	if finding.Result != verify.Match {
		finding.Detail = a.String() + ", but " + finding.Detail + ": does it remember?"
	}
	return finding, nil
}

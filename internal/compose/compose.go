// Package compose turns the configuration into the parts that the commands put together. Each function
// makes one part; the order in which they are put together stands in the commands' own main.go.
package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"tandem/directory"
	"tandem/directory/file"
	"tandem/directory/ldap"
	"tandem/internal/config"
	"tandem/internal/version"
	"tandem/pamhelper"
	"tandem/pamhelper/local"
	"tandem/radiusd"
	"tandem/radiusd/upstream"
	"tandem/store"
	"tandem/store/bolt"
	"tandem/store/etcd"
	"tandem/store/upkeep"
	"tandem/verify"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

var (
	_ verify.Directory = (*file.Directory)(nil)
	_ verify.Directory = (*ldap.Directory)(nil)
	_ radiusd.Core     = (*verify.Core)(nil)
	_ pamhelper.Core   = (*verify.Core)(nil)
)

// Logger makes the daemon's logger; level stays with the caller, who may change it later with SetLevel.
func Logger(c config.Log, level *slog.LevelVar, w io.Writer) *slog.Logger {
	SetLevel(level, c)
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// SetLevel takes over the configured level.
func SetLevel(level *slog.LevelVar, c config.Log) {
	_ = level.UnmarshalText([]byte(c.Level)) // config has checked it
}

// Store opens the store that the configuration names.
func Store(ctx context.Context, c config.Store, log *slog.Logger) (store.Store, error) {
	if c.Type != "etcd" {
		return bolt.Open(boltOptions(c, log))
	}
	s, err := etcd.Open(ctx, etcdOptions(c, log))
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return s, nil
}

// BriefStore opens the store for a process that lives for one login, beside others of its kind: a state file
// is held only during transactions.
func BriefStore(ctx context.Context, c config.Store, log *slog.Logger) (store.Store, error) {
	if c.Type == "bolt" {
		return bolt.NewBrief(boltOptions(c, log)), nil
	}
	return Store(ctx, c, log)
}

// Place is the store that the configuration names as its administrator sees it. Nothing is opened yet.
func Place(c config.Store, log *slog.Logger) upkeep.Place {
	if c.Type != "etcd" {
		return bolt.Place{Options: boltOptions(c, log)}
	}
	return etcd.Place{Options: etcdOptions(c, log)}
}

func boltOptions(c config.Store, log *slog.Logger) bolt.Options {
	return bolt.Options{Path: c.File, Now: time.Now, Logger: log, Program: version.String()}
}

func etcdOptions(c config.Store, log *slog.Logger) etcd.Options {
	e := c.Etcd
	return etcd.Options{
		Endpoints: e.Endpoints, Prefix: e.Prefix, Username: e.Username, Password: e.Password,
		CAFile: e.CAFile, CertFile: e.CertFile, KeyFile: e.KeyFile, Timeout: e.Timeout, Logger: log,
		// Where the state file would be is where this host keeps what is its own.
		Witness: c.File + ".etcd-witness", Program: version.String(),
	}
}

// Directory opens the directory that the configuration names. Close it when it is no longer used.
func Directory(c *config.Config, now func() time.Time, log *slog.Logger) (d verify.Directory, closeIt func() error, err error) {
	options := directory.DeviceOptions{CryptKey: c.Devices.LLNGCryptKey, MinSecretBits: c.Devices.MinSecretBits}
	if c.Directory.Type == "file" {
		d, err := file.Open(file.Options{Path: c.Directory.File.Path, Devices: options, Now: now, Logger: log})
		if err != nil {
			return nil, nil, fmt.Errorf("users file: %w", err)
		}
		return d, func() error { return nil }, nil
	}
	l, err := LDAP(c, now, log)
	if err != nil {
		return nil, nil, err
	}
	return l, l.Close, nil
}

// LDAP makes the LDAP directory. It connects to nobody yet.
func LDAP(c *config.Config, now func() time.Time, log *slog.Logger) (*ldap.Directory, error) {
	l := c.Directory.LDAP
	sources := make([]ldap.Source, 0, len(l.Devices.Sources))
	for _, s := range l.Devices.Sources {
		sources = append(sources, ldap.Source(s))
	}
	d, err := ldap.New(ldap.Config{
		URLs: l.URLs, StartTLS: l.StartTLS, CAFile: l.CAFile, ServerName: l.ServerName, AllowPlaintext: l.AllowPlaintext,
		BindDN: l.BindDN, BindPassword: l.BindPassword, Base: l.Base, Scope: ldap.Scope(l.Scope), Filter: l.Filter,
		Names: directory.Names{Domains: l.Domains, Realms: l.Realms}, ActiveDirectory: l.IsActiveDirectory(),
		Attributes: ldap.Attributes{
			ID: l.Attributes.ID, Name: l.Attributes.Name, Devices: l.Attributes.Devices, Mail: l.Attributes.Mail,
			Phone: l.Attributes.Phone, Groups: l.Attributes.Groups, Extra: l.Attributes.Extra,
		},
		Groups: ldap.GroupSearch{Base: l.Groups.Base, Filter: l.Groups.Filter, NameAttribute: l.Groups.Name, Nested: l.Groups.Nested},
		Devices: ldap.Devices{
			Options: directory.DeviceOptions{CryptKey: c.Devices.LLNGCryptKey, MinSecretBits: c.Devices.MinSecretBits},
			Sources: sources, WriteTo: ldap.Source(l.Devices.WriteTo),
			ObjectClass: l.Devices.ObjectClass, GluuAttribute: l.Devices.GluuAttribute, SessionsBase: l.Devices.SessionsBase,
		},
		Write:      ldap.Account{DN: l.Write.BindDN, Password: l.Write.BindPassword},
		EntryCache: l.EntryCache, SearchConnections: l.SearchConnections, BindConnections: l.BindConnections,
		ConnectTimeout: l.ConnectTimeout, OperationTimeout: l.OperationTimeout, RetryDown: l.RetryDown,
		Now: now, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("LDAP directory: %w", err)
	}
	return d, nil
}

// Setup puts together what the core decides with.
func Setup(c *config.Config, d verify.Directory, now func() time.Time, log *slog.Logger) (verify.Setup, error) {
	passwords, err := passwords(c, log)
	if err != nil {
		return verify.Setup{}, err
	}
	factors, err := factors(c, now, log)
	if err != nil {
		return verify.Setup{}, err
	}
	levels, when, err := terms(c)
	if err != nil {
		return verify.Setup{}, err
	}
	named, order, err := policies(c.Policies, c.Directory.ExtraAttributes())
	if err != nil {
		return verify.Setup{}, err
	}
	devices, err := DeviceRules(c)
	if err != nil {
		return verify.Setup{}, err
	}
	writer, _ := d.(verify.Registry)
	return verify.Setup{
		Directory: d,
		Registry:  writer,
		Devices:   devices,
		Passwords: passwords,
		Factors:   factors,
		Levels:    levels,
		When:      when,
		Policies:  named,
		Order:     order,
		Throttle: verify.Throttle{
			SourceBurst: c.Throttle.SourceBurst, SourceRefill: c.Throttle.SourceRefill,
			UserBurst: c.Throttle.UserBurst, UserRefill: c.Throttle.UserRefill,
			SendBurst: c.Throttle.SendBurst, SendRefill: c.Throttle.SendRefill,
			RememberSources: c.Throttle.RememberSources,
		},
	}, nil
}

// passwords are the first factors beside the directory.
func passwords(c *config.Config, log *slog.Logger) (map[string]verify.PasswordChecker, error) {
	checkers := map[string]verify.PasswordChecker{}
	for i := range c.Upstream {
		u := &c.Upstream[i]
		checker, err := upstream.New(upstream.Config{
			Name: u.Name, Servers: u.Servers, Secret: u.Secret, Timeout: u.Timeout, Retries: u.Retries, Rest: u.RetryDown,
			NASIdentifier: u.NASIdentifier, Pass: u.Pass, Log: log,
		})
		if err != nil {
			return nil, err
		}
		checkers[u.Name] = checker
	}
	for _, p := range c.Policies {
		if p.FirstFactor != "pam" {
			continue
		}
		checker, err := local.New(c.PAM.PasswordHelper, c.PAM.PasswordService)
		if err != nil {
			return nil, fmt.Errorf("policy %q has first_factor = \"pam\": %w", p.Name, err)
		}
		checkers["pam"] = checker
		break
	}
	return checkers, nil
}

// Close ends what the parts of a Setup that is no longer used do by themselves.
func Close(s verify.Setup) error {
	var err error
	for _, p := range s.Passwords {
		if closer, ok := p.(io.Closer); ok {
			err = errors.Join(err, closer.Close())
		}
	}
	return err
}

// policies makes all policies, by name, and those of them that are chosen by their rules, in the order in which they
// are looked at. attributes are those of users that are read, for templates.
func policies(configured []config.Policy, attributes []string) (named map[string]*policy.Policy, order []*policy.Policy, err error) {
	named = make(map[string]*policy.Policy, len(configured))
	for i := range configured {
		p := &configured[i]
		required, err := p.RequiredDay()
		if err != nil {
			return nil, nil, fmt.Errorf("policy %q: required_from: %w", p.Name, err)
		}
		when, err := compile(p.When)
		if err != nil {
			return nil, nil, fmt.Errorf("policy %q: %w", p.Name, err)
		}
		reply, err := replies(p, attributes)
		if err != nil {
			return nil, nil, fmt.Errorf("policy %q: %w", p.Name, err)
		}
		made := &policy.Policy{
			Name: p.Name, Mode: policy.Mode(p.Mode), FirstFactor: p.FirstFactor, CodeFirst: p.CodeFirst, Delimiter: p.Delimiter,
			When: when, AllowedGroups: p.AllowedGroups, RequiredFrom: required, Spared: 100 - p.RolloutPercent,
			Level: p.Level, FirstLevel: p.FirstLevel, TellAccountState: p.TellAccountState,
			Language: p.Language, LanguageAttribute: p.LanguageAttribute, Reply: reply,
			Enrol: policy.Enrol(p.Enrol), EnrolTimeout: p.EnrolTimeout, SkipWord: p.SkipWord,
			Tries: p.Tries, LoginTimeout: p.LoginTimeout, HideFirstFactor: p.HideFirstFactor,
			Factors: p.Factors, Choose: policy.Choose(p.Choose), Fallback: p.Fallback,
			Second: policy.Demand(p.SecondFactor), EnforcedGroups: p.EnforcedGroups, ExemptGroups: p.ExemptGroups,
			FactorAttribute: p.FactorAttribute, WordDelimiter: p.WordDelimiter, ResendWord: p.ResendWord,
			Texts: policy.Texts{
				Prompt: p.Prompt, Retry: p.Retry, Menu: p.Menu, BadChoice: p.BadChoice, Sent: p.Sent, Already: p.Already,
				TooSoon: p.TooSoon, SendFailed: p.SendFailed, Reject: p.Reject,
				Enrol: p.EnrolPrompt, EnrolRetry: p.EnrolRetry, EnrolSkip: p.EnrolSkip, Key: p.EnrolKey, DeviceExpired: p.DeviceExpired,
				PasswordExpired: p.PasswordExpired, AccountExpired: p.AccountExpired,
				AccountDisabled: p.AccountDisabled, AccountHours: p.AccountHours,
			},
		}
		named[p.Name] = made
		if when != nil {
			order = append(order, made)
		}
	}
	if byDefault, ok := named["default"]; ok {
		order = append(order, byDefault)
	}
	return named, order, nil
}

// compile compiles a rule; an empty one is none.
func compile(text string) (*rule.Rule, error) {
	if text == "" {
		return nil, nil
	}
	r, err := rule.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the rule %q: %w", text, err)
	}
	return r, nil
}

func replies(p *config.Policy, attributes []string) ([]policy.Reply, error) {
	var out []policy.Reply
	for i := range p.Reply {
		r := &p.Reply[i]
		when, err := compile(r.When)
		if err != nil {
			return nil, err
		}
		value, err := r.Template(attributes)
		if err != nil {
			return nil, fmt.Errorf("the value of %s: %w", r.Attribute, err)
		}
		out = append(out, policy.Reply{When: when, Attribute: r.Attribute, Value: value})
	}
	return out, nil
}

// RADIUS makes the front door's configuration.
func RADIUS(c *config.Config, core radiusd.Core, log *slog.Logger) radiusd.Config {
	listen := make([]string, 0, len(c.Radius.Listen))
	for _, a := range c.Radius.Listen {
		listen = append(listen, a.String())
	}
	return radiusd.Config{
		Listen: listen, Workers: c.Radius.Workers, Queue: c.Radius.Queue, Core: core, Logger: log,
		Settings: RADIUSSettings(c),
	}
}

// PAM makes the PAM door's configuration.
func PAM(c *config.Config, core pamhelper.Core, log *slog.Logger) pamhelper.Config {
	return pamhelper.Config{
		Path: c.PAM.Socket,
		Door: pamhelper.Door{Core: core, Log: log, RejectDelay: c.Radius.RejectDelay, QRCode: c.PAM.QRCode},
	}
}

// RADIUSSettings makes the part of the front door's configuration that a reload takes over.
func RADIUSSettings(c *config.Config) radiusd.Settings {
	clients := make([]radiusd.Client, 0, len(c.Radius.Clients))
	for _, cl := range c.Radius.Clients {
		clients = append(clients, radiusd.Client{
			Name: cl.Name, Networks: cl.Prefixes(), Secret: cl.Secret,
			RequireMessageAuthenticator: cl.RequireMessageAuthenticator, LimitProxyState: cl.LimitProxyState,
			Policy: cl.Policy, Level: cl.Level, Names: directory.Names{Domains: cl.Domains, Realms: cl.Realms}, Charset: radiusd.Charset(cl.Charset), RejectWhenUnavailable: cl.WhenUnavailable == "reject",
		})
	}
	return radiusd.Settings{
		Clients: clients, RequestTimeout: c.Radius.RequestTimeout, RejectDelay: c.Radius.RejectDelay,
		ReplyCache: c.Radius.ReplyCache,
	}
}

// CheckLDAP looks at every LDAP server as a login would; for `tandem check`.
func CheckLDAP(ctx context.Context, c *config.Config, log *slog.Logger) ([]ldap.CheckResult, error) {
	d, err := LDAP(c, time.Now, log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	return d.Check(ctx), nil
}

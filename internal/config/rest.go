package config

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"tandem/internal/secret"
	"tandem/internal/tomlfile"
)

// REST is a web service that sends codes, checks them, or both, as LemonLDAP::NG's REST second factor.
type REST struct {
	// Name is what users type and policies say: at most 32 of a-z, 0-9 and -.
	// Required. Reload: taken over.
	Name string `toml:"name"`
	// Label is what menus show.
	// Default: Name. Reload: taken over.
	Label string `toml:"label"`
	// InitURL has a code sent; empty: users have theirs from elsewhere.
	// Default: empty. Required with Code. Reload: taken over.
	InitURL string `toml:"init_url"`
	// VerifyURL checks a code.
	// Required, unless Code is set. Reload: taken over.
	VerifyURL string `toml:"verify_url"`
	// InitArguments are members of the JSON object for InitURL, beside "user". $uid, $mail, $phone and any attribute of
	// the user's that is read are put in, and with Code also $code.
	// Default: {}. Reload: taken over.
	InitArguments map[string]string `toml:"init_arguments"`
	// VerifyArguments are the same for VerifyURL, beside "user" and "code".
	// Default: {}. Reload: taken over.
	VerifyArguments map[string]string `toml:"verify_arguments"`
	// InitAnswer is what says that InitURL has sent a code: result, {"result": true} with status 200; or status, any
	// status from 200 to 299.
	// Default: result. Reload: taken over.
	InitAnswer string `toml:"init_answer"`
	// Target is the attribute, such as "$phone", that says where codes go. It is shown to the user, masked; empty: it
	// is not.
	// Default: empty. Reload: taken over.
	Target string `toml:"target"`
	// Code is how many digits codes have that Tandem makes, and InitURL only sends: 6 to 10; 0: the service makes
	// them.
	// Default: 0. Reload: taken over.
	Code int `toml:"code"`
	// Lifetime is how long such codes may be used. 30s to 10m.
	// Default: 5m. Reload: taken over, for new codes.
	Lifetime time.Duration `toml:"lifetime"`
	// Digits is how many digits the service's codes have, 4 to 64, so that they can be appended to a password; 0: they
	// may look like anything, and cannot.
	// Default: 0. Reload: taken over.
	Digits int `toml:"digits"`
	// ResendInterval is the time between one code and the next. 5s to 10m.
	// Default: 30s. Reload: taken over.
	ResendInterval time.Duration `toml:"resend_interval"`
	// Token is sent in the header TokenHeader.
	// Default: none. Reload: taken over.
	Token secret.String `toml:"token"`
	// TokenFile holds that token, on one line.
	// Default: none. Reload: read anew.
	TokenFile string `toml:"token_file"`
	// TokenHeader is the header for Token, which has "Bearer " before it in Authorization.
	// Default: Authorization. Reload: taken over.
	TokenHeader string `toml:"token_header"`
	// Username logs in at the service (HTTP Basic); empty: nobody does.
	// Default: empty. Reload: taken over.
	Username string `toml:"username"`
	// Password is that of Username.
	// Required with Username, unless PasswordFile is given. Reload: taken over.
	Password secret.String `toml:"password"`
	// PasswordFile holds that password, on one line.
	// Default: none. Reload: read anew.
	PasswordFile string `toml:"password_file"`
	// CAFile holds the PEM certificates of the authorities to trust; empty: the host's own.
	// Default: empty. Reload: read anew.
	CAFile string `toml:"ca_file"`
	// CertFile is Tandem's own certificate, for services that ask for one.
	// Default: empty. Reload: read anew.
	CertFile string `toml:"cert_file"`
	// KeyFile is the key of CertFile. Private.
	// Default: empty. Reload: read anew.
	KeyFile string `toml:"key_file"`
	// AllowPlaintext asks other hosts without TLS. Whoever is on the way can answer yes.
	// Default: false. Reload: taken over.
	AllowPlaintext bool `toml:"allow_plaintext"`
	// Timeout is the time for one request. 100ms to 1m.
	// Default: 4s. Reload: taken over.
	Timeout time.Duration `toml:"timeout"`
	// MaxConcurrent is how many requests may be under way at once. 1 to 256.
	// Default: 16. Reload: taken over.
	MaxConcurrent int `toml:"max_concurrent"`
	// Level is what a login with this factor is worth. 0 to 100.
	// Default: 2. Reload: taken over.
	Level int `toml:"level"`
	// When is a rule (docs/policies.md): the factor is there for the logins that it is true of; empty: for all.
	// Default: empty. Reload: taken over.
	When string `toml:"when"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (r *REST) SetDefaults() {
	*r = REST{
		InitAnswer: "result", Lifetime: 5 * time.Minute, ResendInterval: 30 * time.Second, TokenHeader: "Authorization",
		Timeout: 4 * time.Second, MaxConcurrent: 16, Level: 2,
	}
}

// rest checks one service. attributes are those of users that are read; nil: any may be there.
func (c *checker) rest(key string, r *REST, attributes []string, taken map[string]string) {
	c.factorName(key+".name", r.Name, taken)
	c.label(key+".label", r.Label)
	c.restCodes(key, r)
	c.restURLs(key, r)
	c.restArguments(key+".init_arguments", r.InitArguments, r.Code > 0, attributes)
	c.restArguments(key+".verify_arguments", r.VerifyArguments, true, attributes)
	if r.Target != "" {
		names, ok := references(r.Target)
		if !ok || len(names) != 1 || names[0] == codeVariable {
			c.Errorf(key+".target", `%.40q is not an attribute: write it like "$phone"`, r.Target)
		} else {
			c.userVariable(key+".target", names[0], attributes)
		}
	}
	c.restCredentials(key, r)
	c.provider(key, r.Timeout, r.MaxConcurrent)
	between(c, key+".level", r.Level, 0, 100)
	c.rule(key+".when", r.When)
}

// restCodes checks who makes the codes, who sends and who checks them.
func (c *checker) restCodes(key string, r *REST) {
	if r.Code != 0 {
		between(c, key+".code", r.Code, 6, 10)
		if r.InitURL == "" {
			c.missing(key+".init_url", "codes that Tandem makes (code) have to be sent by it")
		}
		for _, name := range []string{"verify_url", "verify_arguments", "digits"} {
			c.unused(key+"."+name, "Tandem itself checks the codes that it makes (code)")
		}
		between(c, key+".lifetime", r.Lifetime, 30*time.Second, 10*time.Minute)
	} else {
		if r.VerifyURL == "" {
			c.missing(key+".verify_url", "nobody could say whether a code is right; write it, or have Tandem make the codes with code = 6")
		}
		c.unused(key+".lifetime", "the service makes the codes")
	}
	if r.Digits != 0 {
		between(c, key+".digits", r.Digits, 4, 64)
	}
	c.oneOf(key+".init_answer", r.InitAnswer, "result", "status")
	between(c, key+".resend_interval", r.ResendInterval, 5*time.Second, 10*time.Minute)
	if r.InitURL == "" && r.Code == 0 {
		for _, name := range []string{"init_arguments", "init_answer", "target", "resend_interval"} {
			c.unused(key+"."+name, "there is no init_url, so that no code is sent")
		}
	}
}

// unused notes that a key is in the file and has no effect.
func (c *checker) unused(key, why string) {
	if c.has(key) {
		c.Errorf(key, "is not used, as %s: remove it", why)
	}
}

// restURLs checks where codes are sent to, and that nobody on the way can answer in the service's place.
func (c *checker) restURLs(key string, r *REST) {
	encrypted, open := 0, 0
	for _, at := range []struct{ name, text string }{{"init_url", r.InitURL}, {"verify_url", r.VerifyURL}} {
		key := key + "." + at.name
		u, err := url.Parse(at.text)
		switch {
		case at.text == "":
		case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "":
			c.Errorf(key, "is not the URL of a web service: write it like https://otp.example.org/verify")
			return // what follows from the other one is not known
		case u.User != nil:
			c.Errorf(key, "has a user or password in it: write them as username and password_file")
		case u.Scheme == "https":
			encrypted++
		case isLoopback(u.Hostname()):
		case r.AllowPlaintext:
			open++
			c.Warnf(key, "whoever is on the way to %s reads the codes and can say yes to any (allow_plaintext): use https://", u.Host)
		default:
			c.Errorf(key, "sends codes unencrypted and believes whoever answers: write https://, or, if nobody else is on that network, allow_plaintext = true")
			return
		}
	}
	if r.AllowPlaintext && open == 0 {
		c.Errorf(key+".allow_plaintext", "is not used, as nothing leaves this host unencrypted: remove it")
	}
	for _, file := range []struct {
		name string
		path *string
	}{{"ca_file", &r.CAFile}, {"cert_file", &r.CertFile}, {"key_file", &r.KeyFile}} {
		if *file.path == "" {
			continue
		}
		c.path(key+"."+file.name, file.path)
		if encrypted == 0 {
			c.Errorf(key+"."+file.name, "is not used, as no connection has TLS: remove it, or use https://")
		}
	}
	c.keyPair(key, r.CertFile, r.KeyFile)
}

// keyPair checks a certificate of ours and its key, both or none.
func (c *checker) keyPair(key, cert, private string) {
	if (cert == "") != (private == "") {
		c.Errorf(key+".cert_file", "a certificate and its key_file go together: write both, or none")
	}
	if private == "" {
		return
	}
	if _, err := tomlfile.ReadBytes(private, tomlfile.Options{Private: true, MaxBytes: 1 << 16}); err != nil {
		c.Errorf(key+".key_file", "%v", err)
	}
}

func (c *checker) restCredentials(key string, r *REST) {
	c.secret(key+".token", &r.Token, key+".token_file", &r.TokenFile, false)
	c.secret(key+".password", &r.Password, key+".password_file", &r.PasswordFile, r.Username != "")
	if r.Username == "" && (c.has(key+".password") || c.has(key+".password_file")) {
		c.missing(key+".username", "write whose the password is, or remove the password")
	}
	token := c.has(key+".token") || c.has(key+".token_file")
	switch {
	case strings.Trim(r.TokenHeader, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" || r.TokenHeader == "":
		c.Errorf(key+".token_header", `%.40q is not the name of a header: write it like "X-API-Key"`, r.TokenHeader)
	case token && r.Username != "" && strings.EqualFold(r.TokenHeader, "Authorization"):
		c.Errorf(key+".token_header", "the header Authorization holds either a token or a username and password: remove one of them, or choose another header for the token")
	case !token:
		c.unused(key+".token_header", "there is no token")
	}
}

// textReference is what is put into a text: $name or ${name}; and $$, which is a dollar.
var textReference = regexp.MustCompile(`\$(?:\$|\{([^{}$]+)\}|([A-Za-z_][A-Za-z0-9_]*))`)

// references are the names that a text refers to; ok is false if a dollar sign is left over.
func references(text string) (names []string, ok bool) {
	for _, m := range textReference.FindAllStringSubmatch(text, -1) {
		if name := m[1] + m[2]; name != "" {
			names = append(names, name)
		}
	}
	return names, !strings.Contains(textReference.ReplaceAllString(text, ""), "$")
}

// restArguments checks the members of one JSON object. withCode says whether there is a code by then.
func (c *checker) restArguments(key string, members map[string]string, withCode bool, attributes []string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		key := fmt.Sprintf("%s.%s", key, name)
		names, ok := references(members[name])
		if !ok {
			c.Errorf(key, "has a $ that names nothing: write $name or ${name}, or $$ for a dollar")
			continue
		}
		for _, n := range names {
			switch {
			case n != codeVariable:
				c.userVariable(key, n, attributes)
			case !withCode:
				c.Errorf(key, "there is no $code before the service has made one: remove it, or have Tandem make the codes with code = 6")
			}
		}
	}
}

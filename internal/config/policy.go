package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Policy is one set of demands on users. What the modes do is described in docs/architecture.md.
type Policy struct {
	// Name is how clients refer to it. Up to 64 bytes.
	// Required. Reload: taken over.
	Name string `toml:"name"`
	// Mode is how password and code arrive: append, challenge, code-only or auto.
	// Default: auto. Reload: taken over.
	Mode string `toml:"mode"`
	// FirstFactor checks the password: directory, or pam (this host's local passwords, by PAM.PasswordHelper).
	// Default: directory. Reload: taken over.
	FirstFactor string `toml:"first_factor"`
	// CodeFirst expects the code before the password, in modes append and auto.
	// Default: false. Reload: taken over.
	CodeFirst bool `toml:"code_first"`
	// Delimiter stands between password and code, in modes append and auto; empty: nothing does. It has
	// no digits, and at most 16 bytes.
	// Default: empty. Reload: taken over.
	Delimiter string `toml:"delimiter"`
	// NoDevice is what happens to users without any device: reject, or password-only. Where PAM has checked
	// the password, or a key, before Tandem, password-only means that no code is asked for.
	// Default: reject. Reload: taken over.
	NoDevice string `toml:"no_device"`
	// Factors are those that count, by name, in the order in which they are offered to users; empty: all that
	// are set up.
	// Default: []. Reload: taken over.
	Factors []string `toml:"factors"`
	// Choose is what happens where a user could use several: first takes the first, ask lets the user choose.
	// Default: first. Reload: taken over.
	Choose string `toml:"choose"`
	// Fallback names the factors that are tried when a code cannot be sent, in this order.
	// Default: []. Reload: taken over.
	Fallback []string `toml:"fallback"`
	// SecondFactor is required, or off: then the first factor is enough, unless group or attribute say otherwise.
	// Default: required. Reload: taken over.
	SecondFactor string `toml:"second_factor"`
	// EnforcedGroups are groups whose members need a second factor whatever second_factor says.
	// Default: []. Reload: taken over.
	EnforcedGroups []string `toml:"enforced_groups"`
	// ExemptGroups are groups whose members need none, but for those of enforced_groups.
	// Default: []. Reload: taken over.
	ExemptGroups []string `toml:"exempt_groups"`
	// FactorAttribute is an attribute of the user's that may hold the name of the preferred factor, or off, or
	// required, which outweigh second_factor and groups. Users must not be able to write it. One that is not
	// mail or phone must be among directory.ldap.attributes.extra.
	// Default: empty. Reload: taken over.
	FactorAttribute string `toml:"factor_attribute"`
	// WordDelimiter stands between the password and the name of a factor that the user wants a code by, in modes
	// append and auto: "password,sms". Empty: no such words. At most 16 bytes.
	// Default: ",". Reload: taken over.
	WordDelimiter string `toml:"word_delimiter"`
	// ResendWord, typed instead of a code that was sent, has it sent again. Empty: there is none. At most 32 bytes.
	// Default: resend. Reload: taken over.
	ResendWord string `toml:"resend_word"`
	// Tries is how many codes may be tried in one challenge. 1 to 10.
	// Default: 1. Reload: taken over.
	Tries int `toml:"tries"`
	// LoginTimeout is how long a challenge may be answered. 10s to 10m.
	// Default: 2m. Reload: taken over, for new challenges.
	LoginTimeout time.Duration `toml:"login_timeout"`
	// HideFirstFactor asks for a code whether or not the password was right, in mode challenge.
	// Default: false. Reload: taken over.
	HideFirstFactor bool `toml:"hide_first_factor"`
	// Prompt asks for the code. One line of at most 253 bytes, as are all texts.
	// Default: "Code: ". Reload: taken over.
	Prompt string `toml:"prompt"`
	// Retry asks again after a wrong code.
	// Default: "Wrong code. Code: ". Reload: taken over.
	Retry string `toml:"retry"`
	// Menu asks which factor to use; {menu} is the list.
	// Default: "Choose a number: {menu}: ". Reload: taken over.
	Menu string `toml:"menu"`
	// BadChoice goes before Menu after an answer that is not on the list.
	// Default: "That is not on the list. ". Reload: taken over.
	BadChoice string `toml:"bad_choice"`
	// Sent asks for a code that was just sent; {label} is the factor's, {target} the masked address.
	// Default: "Code sent by {label} {target}. Code: ". Reload: taken over.
	Sent string `toml:"sent"`
	// Already asks for a code that was sent a moment ago.
	// Default: "A code was sent by {label} {target} a moment ago. Code: ". Reload: taken over.
	Already string `toml:"already"`
	// TooSoon answers who asks for another code before the factor's resend_interval is over.
	// Default: "Not yet: wait a little before you ask for another code. Code: ". Reload: taken over.
	TooSoon string `toml:"too_soon"`
	// SendFailed goes before Sent where a factor of fallback had to step in for {label}.
	// Default: "{label} did not work. ". Reload: taken over.
	SendFailed string `toml:"send_failed"`
	// Reject is the text of every reject, whatever its reason.
	// Default: "Login failed. Check the password, and use a new code: each works once. After several
	// failures wait some minutes." Reload: taken over.
	Reject string `toml:"reject"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (p *Policy) SetDefaults() {
	*p = Policy{
		Name:           p.Name,
		Mode:           "auto",
		FirstFactor:    "directory",
		NoDevice:       "reject",
		Factors:        []string{},
		Choose:         "first",
		Fallback:       []string{},
		EnforcedGroups: []string{},
		ExemptGroups:   []string{},
		SecondFactor:   "required",
		WordDelimiter:  ",",
		ResendWord:     "resend",
		Tries:          1,
		LoginTimeout:   2 * time.Minute,
		Prompt:         "Code: ",
		Retry:          "Wrong code. Code: ",
		Menu:           "Choose a number: {menu}: ",
		BadChoice:      "That is not on the list. ",
		Sent:           "Code sent by {label} {target}. Code: ",
		Already:        "A code was sent by {label} {target} a moment ago. Code: ",
		TooSoon:        "Not yet: wait a little before you ask for another code. Code: ",
		SendFailed:     "{label} did not work. ",
		Reject:         "Login failed. Check the password, and use a new code: each works once. After several failures wait some minutes.",
	}
}

const (
	// maxText is what one RADIUS attribute holds, in octets (RFC 2865 §5).
	maxText = 253
	// maxDelimiter keeps the delimiter from eating up the 128 octets of a User-Password.
	maxDelimiter = 16
)

func (c *checker) policies(policies []Policy, clients []Client, pam bool, factors *Factors) {
	names := make(map[string]string)
	for i := range policies {
		p, key := &policies[i], fmt.Sprintf("policies[%d]", i)
		c.name(key+".name", p.Name, names)
		c.policy(key, p)
		c.secondFactor(key, p, factors.names(), factors.sending())
		if p.Name != "default" && p.Name != "" && !pam && !isUsed(p, clients) { // PAM modules name theirs themselves
			c.Warnf(key, "no client uses policy %q: name it in a [[radius.clients]], or remove it", p.Name)
		}
	}
}

func isUsed(p *Policy, clients []Client) bool {
	for i := range clients {
		if clients[i].Policy == p.Name {
			return true
		}
	}
	return false
}

func (c *checker) policy(key string, p *Policy) {
	c.oneOf(key+".mode", p.Mode, "append", "challenge", "code-only", "auto")
	c.oneOf(key+".no_device", p.NoDevice, "reject", "password-only")
	between(c, key+".tries", p.Tries, 1, 10)
	between(c, key+".login_timeout", p.LoginTimeout, 10*time.Second, 10*time.Minute)

	if p.Mode == "challenge" || p.Mode == "code-only" {
		const why = "means nothing in mode %s, where password and code do not share a field: remove it, or use mode append or auto"
		if p.CodeFirst {
			c.Errorf(key+".code_first", why, p.Mode)
		}
		if p.Delimiter != "" {
			c.Errorf(key+".delimiter", why, p.Mode)
		}
	}
	if p.HideFirstFactor && p.Mode != "challenge" {
		c.Errorf(key+".hide_first_factor", "works only in mode challenge, and this is %.40q: remove it, or change the mode", p.Mode)
	}
	c.oneOf(key+".first_factor", p.FirstFactor, "directory", "pam")
	switch {
	case len(p.Delimiter) > maxDelimiter:
		c.Errorf(key+".delimiter", "is %d bytes long: use at most %d", len(p.Delimiter), maxDelimiter)
	case strings.ContainsAny(p.Delimiter, "0123456789"):
		c.Errorf(key+".delimiter", "has a digit, which could be one of the code: use another character")
	case strings.ContainsFunc(p.Delimiter, unicode.IsControl):
		c.Errorf(key+".delimiter", "has a control character, which nobody can type: use another one")
	}
	for name, text := range p.texts() {
		c.text(key+"."+name, text)
	}
	if !strings.Contains(p.Menu, "{menu}") {
		c.Errorf(key+".menu", "does not say {menu}: write it where the numbered list shall stand")
	}
}

// texts are all that users read, by their keys.
func (p *Policy) texts() map[string]string {
	return map[string]string{
		"prompt": p.Prompt, "retry": p.Retry, "menu": p.Menu, "bad_choice": p.BadChoice, "sent": p.Sent,
		"already": p.Already, "too_soon": p.TooSoon, "send_failed": p.SendFailed, "reject": p.Reject,
	}
}

// secondFactor checks what a policy says of second factors. known are the names of those that are set up, and
// sending, of those of them that send codes.
func (c *checker) secondFactor(key string, p *Policy, known, sending []string) {
	c.oneOf(key+".choose", p.Choose, "first", "ask")
	c.oneOf(key+".second_factor", p.SecondFactor, "required", "off")
	named := func(key string, names, of []string, remedy string) {
		for i, name := range names {
			if !slices.Contains(of, name) {
				c.Errorf(fmt.Sprintf("%s[%d]", key, i), "%.40q %s: %s", name, remedy, strings.Join(of, ", "))
			}
		}
	}
	named(key+".factors", p.Factors, known, "is no factor that is set up; there are")
	named(key+".fallback", p.Fallback, sending, "is no factor that sends codes; there are")
	if p.HideFirstFactor {
		for _, name := range sending {
			if len(p.Factors) == 0 || slices.Contains(p.Factors, name) {
				c.Errorf(key+".hide_first_factor", "a code sent by %s would show that the password was right: name the other factors in factors", name)
			}
		}
		if p.Choose == "ask" {
			c.Errorf(key+".choose", "a menu would show that the password was right, which hide_first_factor is to hide: choose first")
		}
	}
	for k, w := range map[string]string{"word_delimiter": p.WordDelimiter, "resend_word": p.ResendWord} {
		if len(w) > 32 || strings.ContainsFunc(w, unicode.IsControl) {
			c.Errorf(key+"."+k, "is longer than 32 bytes, or has a control character: choose what users can type")
		}
	}
}

// text checks what a user is to read.
func (c *checker) text(key, text string) {
	switch {
	case text == "":
		c.Errorf(key, "is empty: write a text, or remove it to have the default")
	case len(text) > maxText:
		c.Errorf(key, "is %d bytes long, and a RADIUS attribute holds %d: shorten it", len(text), maxText)
	case strings.ContainsFunc(text, unicode.IsControl):
		c.Errorf(key, "has a line break or another control character: keep it to one line")
	}
}

// fitsLatin1 reports whether the texts can be sent to a client of that charset.
func (p *Policy) fitsLatin1() bool {
	for _, text := range p.texts() {
		if strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxLatin1 }) {
			return false
		}
	}
	return true
}

// find returns the policy of that name, or nil.
func find(policies []Policy, name string) *Policy {
	for i := range policies {
		if policies[i].Name == name {
			return &policies[i]
		}
	}
	return nil
}

func listNames(policies []Policy) string {
	names := make([]string, len(policies))
	for i := range policies {
		names[i] = fmt.Sprintf("%.64q", policies[i].Name)
	}
	return strings.Join(names, ", ")
}

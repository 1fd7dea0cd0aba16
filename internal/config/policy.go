package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"tandem/radiusd/attribute"
	"tandem/verify/policy"
	"tandem/verify/rule"
)

// Policy is one set of demands on users. What the modes do is described in docs/architecture.md.
type Policy struct {
	// Name is how clients refer to it, and what audit and logs say. Up to 64 bytes.
	// Required. Reload: taken over.
	Name string `toml:"name"`
	// When is a rule (docs/policies.md): the policy holds for the logins that it is true of. Where a client names
	// no policy, the first that holds is taken, in the order of the file, and the one called default, without a
	// rule, if none does.
	// Default: empty. Reload: taken over.
	When string `toml:"when"`
	// AllowedGroups lets in only members of one of these groups; empty: everybody.
	// Default: []. Reload: taken over.
	AllowedGroups []string `toml:"allowed_groups"`
	// Mode is how password and code arrive: append, challenge, code-only or auto.
	// Default: auto. Reload: taken over.
	Mode string `toml:"mode"`
	// FirstFactor checks the password: directory, pam (this host's local passwords, by PAM.PasswordHelper), or the name
	// of one of the [[upstream]].
	// Default: directory. Reload: taken over.
	FirstFactor string `toml:"first_factor"`
	// CodeFirst expects the code before the password, in modes append and auto.
	// Default: false. Reload: taken over.
	CodeFirst bool `toml:"code_first"`
	// Delimiter stands between password and code, in modes append and auto; empty: nothing does. It has
	// no digits, and at most 16 bytes.
	// Default: empty. Reload: taken over.
	Delimiter string `toml:"delimiter"`
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
	// SecondFactor is required; or if-enrolled: users without any device, and without an address that a code could
	// go to, need none; or off: nobody does, unless group, attribute or level say otherwise.
	// Default: required. Reload: taken over.
	SecondFactor string `toml:"second_factor"`
	// RequiredFrom is the day, such as "2027-01-31", on which if-enrolled becomes required; empty: never.
	// Default: empty. Reload: taken over.
	RequiredFrom string `toml:"required_from"`
	// RolloutPercent is for how many of a hundred users required holds; for the others it is if-enrolled yet. Who
	// is among them depends on the user alone. 0 to 100.
	// Default: 100. Reload: taken over.
	RolloutPercent int `toml:"rollout_percent"`
	// Level is what has to be reached: a user whose first factor is worth as much is not asked for a second, and
	// factors that are worth less do not count. 0: nothing is demanded. Up to 100.
	// Default: 0. Reload: taken over.
	Level int `toml:"level"`
	// FirstLevel is what the first factor is worth. 0 to 100.
	// Default: 1. Reload: taken over.
	FirstLevel int `toml:"first_level"`
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
	// TellAccountState tells a user whose password was right why the account may not log in, where the directory
	// says so (expired password, disabled account …), instead of the one text of all rejects.
	// Default: false. Reload: taken over.
	TellAccountState bool `toml:"tell_account_state"`
	// Enrol lets users who have no second factor enrol a TOTP device once their first factor was right: off; offer, and
	// those who need none may go on without; or require, and nobody gets in without one. Not in mode code-only.
	// Default: off. Reload: taken over.
	Enrol string `toml:"enrol"`
	// EnrolTimeout is how long after the first question the new device must be confirmed. 30s to 10m.
	// Default: 2m. Reload: taken over, for new enrolments.
	EnrolTimeout time.Duration `toml:"enrol_timeout"`
	// SkipWord, typed instead of the confirming code, goes on without a device, where enrol is offer. At most 32 bytes,
	// not of digits alone.
	// Default: skip. Reload: taken over.
	SkipWord string `toml:"skip_word"`
	// Language is that of the built-in texts: en, de or fr.
	// Default: en. Reload: taken over.
	Language string `toml:"language"`
	// LanguageAttribute is an attribute of the user's that says which language they read, such as
	// preferredLanguage. It must be among directory.ldap.attributes.extra.
	// Default: empty. Reload: taken over.
	LanguageAttribute string `toml:"language_attribute"`
	// Prompt asks for the code. It, and all texts that follow, are one line of at most 253 bytes; empty: the built-in
	// text in the user's language.
	// Default: empty. Reload: taken over.
	Prompt string `toml:"prompt"`
	// Retry asks again after a wrong code.
	// Default: empty. Reload: taken over.
	Retry string `toml:"retry"`
	// Menu asks which factor to use; {menu} is the list.
	// Default: empty. Reload: taken over.
	Menu string `toml:"menu"`
	// BadChoice goes before Menu after an answer that is not on the list.
	// Default: empty. Reload: taken over.
	BadChoice string `toml:"bad_choice"`
	// Sent asks for a code that was just sent; {label} is the factor's, {target} the masked address.
	// Default: empty. Reload: taken over.
	Sent string `toml:"sent"`
	// Already asks for a code that was sent a moment ago.
	// Default: empty. Reload: taken over.
	Already string `toml:"already"`
	// TooSoon answers who asks for another code before the factor's resend_interval is over.
	// Default: empty. Reload: taken over.
	TooSoon string `toml:"too_soon"`
	// SendFailed goes before Sent where a factor of fallback had to step in for {label}.
	// Default: empty. Reload: taken over.
	SendFailed string `toml:"send_failed"`
	// Reject is the text of every reject, whatever its reason.
	// Default: empty. Reload: taken over.
	Reject string `toml:"reject"`
	// EnrolPrompt tells who has no second factor how to add one, with enrol.
	// Default: empty. Reload: taken over.
	EnrolPrompt string `toml:"enrol_prompt"`
	// EnrolRetry says that the confirming code was wrong.
	// Default: empty. Reload: taken over.
	EnrolRetry string `toml:"enrol_retry"`
	// EnrolSkip, behind either, says that {word} goes on without.
	// Default: empty. Reload: taken over.
	EnrolSkip string `toml:"enrol_skip"`
	// EnrolKey goes before the new device's key.
	// Default: empty. Reload: taken over.
	EnrolKey string `toml:"enrol_key"`
	// DeviceExpired tells whose first factor was right that the device called {device} expired.
	// Default: empty. Reload: taken over.
	DeviceExpired string `toml:"device_expired"`
	// PasswordExpired tells, with tell_account_state, that the password expired or must be changed.
	// Default: empty. Reload: taken over.
	PasswordExpired string `toml:"password_expired"`
	// AccountExpired tells the same of the account.
	// Default: empty. Reload: taken over.
	AccountExpired string `toml:"account_expired"`
	// AccountDisabled tells that the account is disabled.
	// Default: empty. Reload: taken over.
	AccountDisabled string `toml:"account_disabled"`
	// AccountHours tells that the account may not log in now, or not from here.
	// Default: empty. Reload: taken over.
	AccountHours string `toml:"account_hours"`
	// Reply are attributes of the Access-Accept.
	// Default: none. Reload: taken over.
	Reply []Reply `toml:"reply"`
}

// Reply is an attribute that the client is given with an Access-Accept.
type Reply struct {
	// When is a rule: the attribute is given where it is true; empty: always.
	// Default: empty. Reload: taken over.
	When string `toml:"when"`
	// Attribute is its name in the public dictionaries, such as "Framed-IP-Address", with a tag as in
	// "Tunnel-Private-Group-Id:1".
	// Required. Reload: taken over.
	Attribute string `toml:"attribute"`
	// Value is its text. {user}, {groups}, {mail}, {phone}, {level}, {factor} and {attribute}, for any attribute that
	// is read, stand for what is known of the user. With several values there are several attributes, with none
	// there is none. {{ and }} are braces.
	// Required. Reload: taken over.
	Value string `toml:"value"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (p *Policy) SetDefaults() {
	*p = Policy{
		Name:           p.Name,
		Mode:           "auto",
		FirstFactor:    "directory",
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
		Enrol:          "off",
		EnrolTimeout:   2 * time.Minute,
		SkipWord:       "skip",
		AllowedGroups:  []string{},
		RolloutPercent: 100,
		FirstLevel:     1,
		Language:       "en",
	}
}

const (
	// maxText is what one RADIUS attribute holds, in octets (RFC 2865 §5).
	maxText = 253
	// maxDelimiter keeps the delimiter from eating up the 128 octets of a User-Password.
	maxDelimiter = 16
)

// policies checks them. attributes are those of users that are read, for templates; nil: any may be there.
func (c *checker) policies(policies []Policy, clients []Client, pam bool, factors *Factors, attributes []string, firstFactors []string) {
	names := make(map[string]string)
	for i := range policies {
		p, key := &policies[i], fmt.Sprintf("policies[%d]", i)
		c.name(key+".name", p.Name, names)
		c.oneOf(key+".first_factor", p.FirstFactor, firstFactors...)
		c.policy(key, p)
		c.secondFactor(key, p, factors.names(), factors.sending())
		c.demands(key, p)
		c.enrolment(key, p)
		c.replies(key, p, attributes)
		if p.Name != "default" && p.Name != "" && p.When == "" && !pam && !isUsed(p, clients) { // PAM modules name theirs themselves
			c.Warnf(key, "no client uses policy %q, and it has no rule: name it in a [[radius.clients]], give it a when, or remove it", p.Name)
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
	switch {
	case len(p.Delimiter) > maxDelimiter:
		c.Errorf(key+".delimiter", "is %d bytes long: use at most %d", len(p.Delimiter), maxDelimiter)
	case strings.ContainsAny(p.Delimiter, "0123456789"):
		c.Errorf(key+".delimiter", "has a digit, which could be one of the code: use another character")
	case strings.ContainsFunc(p.Delimiter, unicode.IsControl):
		c.Errorf(key+".delimiter", "has a control character, which nobody can type: use another one")
	}
	for name, text := range p.texts() {
		if text != "" {
			c.text(key+"."+name, text)
		}
	}
	for _, must := range []struct{ name, text, say, what string }{
		{"menu", p.Menu, "{menu}", "the numbered list"},
		{"enrol_skip", p.EnrolSkip, "{word}", "the word to type"},
		{"device_expired", p.DeviceExpired, "{device}", "the device's name"},
	} {
		if must.text != "" && !strings.Contains(must.text, must.say) {
			c.Errorf(key+"."+must.name, "does not say %s: write it where %s shall stand", must.say, must.what)
		}
	}
}

// demands checks what is asked of whom, and since when.
func (c *checker) demands(key string, p *Policy) {
	c.rule(key+".when", p.When)
	if p.Name == "default" && p.When != "" {
		c.Errorf(key+".when", "the policy called default is what holds where no rule does: give it another name, or remove the rule")
	}
	between(c, key+".rollout_percent", p.RolloutPercent, 0, 100)
	between(c, key+".level", p.Level, 0, 100)
	between(c, key+".first_level", p.FirstLevel, 0, 100)
	c.oneOf(key+".language", p.Language, policy.Languages...)
	if p.RequiredFrom != "" {
		_, err := p.RequiredDay()
		switch {
		case err != nil:
			c.Errorf(key+".required_from", `%.40q is no day: write it as "2027-01-31"`, p.RequiredFrom)
		case p.SecondFactor != "if-enrolled":
			c.Errorf(key+".required_from", "means nothing with second_factor = %q: it is the day on which if-enrolled becomes required", p.SecondFactor)
		}
	}
	if p.RolloutPercent != 100 && p.SecondFactor != "required" {
		c.Errorf(key+".rollout_percent", "means nothing with second_factor = %q: it is for how many required holds", p.SecondFactor)
	}
}

// enrolment checks what a policy says of users who enrol a device at the login.
func (c *checker) enrolment(key string, p *Policy) {
	c.oneOf(key+".enrol", p.Enrol, "off", "offer", "require")
	between(c, key+".enrol_timeout", p.EnrolTimeout, 30*time.Second, 10*time.Minute)
	if len(p.SkipWord) > 32 || strings.ContainsFunc(p.SkipWord, unicode.IsControl) {
		c.Errorf(key+".skip_word", "is longer than 32 bytes, or has a control character: choose what users can type")
	}
	if p.Enrol != "offer" && p.Enrol != "require" {
		return
	}
	switch {
	case p.Mode == "code-only":
		c.Errorf(key+".enrol", "does not work in mode code-only, where Tandem does not know that the first factor was right: remove it, or use another mode")
	case p.HideFirstFactor:
		c.Errorf(key+".enrol", "shows that the password was right, which hide_first_factor is to hide: remove one of the two")
	case len(p.Factors) > 0 && !slices.Contains(p.Factors, "totp"):
		c.Errorf(key+".enrol", `makes TOTP devices, and "totp" is not among this policy's factors: add it there`)
	case p.SecondFactor == "off":
		c.Warnf(key+".enrol", `is for users of whom a second factor is asked, and second_factor is "off": only members of enforced_groups, and users whose factor_attribute says so, are asked to enrol`)
	}
	if p.Enrol == "offer" && strings.Trim(p.SkipWord, "0123456789 ") == "" {
		c.Errorf(key+".skip_word", "is empty or looks like a code, and users must be able to say that they go on without: choose a word")
	}
}

// RequiredDay is RequiredFrom, at midnight in this host's time zone; zero if it is empty.
func (p *Policy) RequiredDay() (time.Time, error) {
	if p.RequiredFrom == "" {
		return time.Time{}, nil
	}
	return time.ParseInLocation(time.DateOnly, p.RequiredFrom, time.Local)
}

// replies checks the attributes that a policy gives.
func (c *checker) replies(key string, p *Policy, attributes []string) {
	size := 0
	for i := range p.Reply {
		r, key := &p.Reply[i], fmt.Sprintf("%s.reply[%d]", key, i)
		c.rule(key+".when", r.When)
		size += c.reply(key, r, attributes)
	}
	if size > maxReply {
		c.Errorf(key+".reply", "the attributes that do not depend on the user take %d octets already, and a packet has room for %d: leave some out", size, maxReply)
	}
}

// maxReply is how much of a RADIUS packet (RFC 2865 §3) is left for policies: the header, the Message-Authenticator and
// some Proxy-States are in it too.
const maxReply = 3800

// reply checks one attribute. It returns how many octets it takes in every reply.
func (c *checker) reply(key string, r *Reply, attributes []string) (size int) {
	var found attribute.Attribute
	if r.Attribute == "" {
		c.missing(key+".attribute", `name it, such as "Filter-Id"`)
	} else if a, err := attribute.Find(r.Attribute); err != nil {
		c.Errorf(key+".attribute", "%v", err)
		r.Attribute = ""
	} else {
		found = a
	}
	if r.Value == "" {
		c.missing(key+".value", "write what it is to say")
		return 0
	}
	template, err := r.Template(attributes)
	if err != nil {
		c.Errorf(key+".value", "%v", err)
		return 0
	}
	constant, ok := template.Constant()
	if !ok || r.Attribute == "" {
		return 0
	}
	size, err = found.Check(constant)
	if err != nil {
		c.Errorf(key+".value", "%v", err)
	}
	if r.When != "" { // perhaps not in the same reply as others
		return 0
	}
	return size
}

// Template is the value, parsed. attributes are those of users that are read; nil: any may be there.
func (r *Reply) Template(attributes []string) (policy.Template, error) {
	return policy.ParseTemplate(r.Value, inTemplates(attributes))
}

// inTemplates reports whether there is such a name. attributes are those of users that are read; nil: any may be there.
func inTemplates(attributes []string) func(name string) bool {
	return func(name string) bool {
		return slices.Contains([]string{"user", "groups", "mail", "phone", "level", "factor"}, name) ||
			attributes == nil || slices.Contains(attributes, name)
	}
}

// rule checks a rule; an empty one is none.
func (c *checker) rule(key, text string) {
	if text == "" {
		return
	}
	if _, err := rule.Compile(text); err != nil {
		c.Errorf(key, "%v", err)
	}
}

// texts are all that users read, by their keys.
func (p *Policy) texts() map[string]string {
	return map[string]string{
		"prompt": p.Prompt, "retry": p.Retry, "menu": p.Menu, "bad_choice": p.BadChoice, "sent": p.Sent,
		"already": p.Already, "too_soon": p.TooSoon, "send_failed": p.SendFailed, "reject": p.Reject,
		"enrol_prompt": p.EnrolPrompt, "enrol_retry": p.EnrolRetry, "enrol_skip": p.EnrolSkip, "enrol_key": p.EnrolKey,
		"device_expired": p.DeviceExpired, "password_expired": p.PasswordExpired, "account_expired": p.AccountExpired,
		"account_disabled": p.AccountDisabled, "account_hours": p.AccountHours,
	}
}

// secondFactor checks what a policy says of second factors. known are the names of those that are set up, and
// sending, of those of them that send codes.
func (c *checker) secondFactor(key string, p *Policy, known, sending []string) {
	c.oneOf(key+".choose", p.Choose, "first", "ask")
	c.oneOf(key+".second_factor", p.SecondFactor, "required", "if-enrolled", "off")
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

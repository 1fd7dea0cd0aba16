package otpauth

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tandem/directory"
	"tandem/internal/secret"
)

// How long, in octets, what is read may be.
const (
	MaxURI  = 4096
	maxName = 255 // the issuer, and the account
)

// Error says what is wrong with a URI, without quoting it.
type Error struct {
	// Param is the part that is wrong: a parameter's name, "type", "label", or empty for the URI as a whole.
	Param string
	// Why says what is wrong and what would mend it.
	Why string
}

func (e *Error) Error() string {
	if e.Param == "" {
		return "otpauth URI: " + e.Why
	}
	return "otpauth URI: " + e.Param + ": " + e.Why
}

func wrong(param, format string, args ...any) error {
	return &Error{Param: param, Why: fmt.Sprintf(format, args...)}
}

// Parse reads one URI. Where it says no digits, period or algorithm, the Device has the values that apps assume
// then, so that Tandem and the app that scanned the same code agree whatever Tandem's own defaults are.
//
// Every error is an [*Error]. A parameter that stands there twice is refused, as apps differ in which one they
// read; so are the parameters that change what codes are made of in a way that only one app knows. Other unknown
// parameters (pictures, colours) are ignored.
func Parse(uri string) (Key, error) {
	if len(uri) > MaxURI {
		return Key{}, wrong("", "it has %d octets, more than %d", len(uri), MaxURI)
	}
	scheme, rest, found := strings.Cut(uri, "://")
	if !found || !strings.EqualFold(scheme, "otpauth") {
		return Key{}, wrong("", "it does not begin with otpauth://")
	}
	if strings.Contains(rest, "#") {
		return Key{}, wrong("", "there is a # in it: write it as %%23")
	}
	where, query, _ := strings.Cut(rest, "?")
	kind, label, _ := strings.Cut(where, "/")
	entry := directory.DeviceEntry{}
	switch strings.ToLower(kind) {
	case "totp":
		entry.Type = directory.TypeTOTP
	case "hotp":
		entry.Type = directory.TypeHOTP
	default:
		return Key{}, wrong("type", "it is neither otpauth://totp/ nor otpauth://hotp/")
	}
	params, err := parameters(query)
	if err != nil {
		return Key{}, err
	}
	k := Key{}
	if k.Issuer, k.Account, err = readLabel(label); err != nil {
		return Key{}, err
	}
	if issuer, there := params["issuer"]; there {
		if err := checkName("issuer", issuer); err != nil {
			return Key{}, err
		}
		k.Issuer = issuer
	}
	if k.Device, err = device(entry, params); err != nil {
		return Key{}, err
	}
	return k, nil
}

// device reads the parameters that codes are made of.
func device(entry directory.DeviceEntry, params map[string]string) (directory.Device, error) {
	written, there := params["secret"]
	if !there {
		return directory.Device{}, wrong("secret", "it is missing")
	}
	entry.Secret = secret.New(withoutPadding(written))
	entry.Algorithm = DefaultAlgorithm
	if a, there := params["algorithm"]; there {
		if a == "" {
			return directory.Device{}, wrong("algorithm", "it is empty")
		}
		// Some write the name that the JCA has for it.
		entry.Algorithm = strings.TrimPrefix(strings.ToUpper(a), "HMAC")
	}
	var err error
	if entry.Digits, err = number(params, "digits", DefaultDigits); err != nil {
		return directory.Device{}, err
	}
	if entry.Type == directory.TypeHOTP {
		counter, there := params["counter"]
		if !there {
			return directory.Device{}, wrong("counter", "it is missing: a hotp URI must say at which counter it begins")
		}
		if entry.Counter, err = strconv.ParseUint(counter, 10, 64); err != nil {
			return directory.Device{}, wrong("counter", "it is not a whole number from 0")
		}
	} else if entry.Period, err = number(params, "period", DefaultPeriod); err != nil {
		return directory.Device{}, err
	}
	d, faults := entry.Device(directory.DeviceOptions{})
	if len(faults) > 0 {
		return directory.Device{}, &Error{Param: faults[0].Field, Why: faults[0].Why}
	}
	return d, nil
}

// withoutPadding drops the "=" signs of padded base32, if there are exactly as many as there must be.
func withoutPadding(written string) string {
	plain := strings.TrimRight(written, "=")
	if n := len(written) - len(plain); n < 7 && len(written)%8 == 0 {
		return plain
	}
	return written
}

func number(params map[string]string, name string, unset int) (*int, error) {
	written, there := params[name]
	if !there {
		return &unset, nil
	}
	n, err := strconv.Atoi(written)
	if err != nil {
		return nil, wrong(name, "it is not a whole number")
	}
	return &n, nil
}

// known are the parameters that Parse reads.
var known = map[string]bool{"secret": true, "issuer": true, "algorithm": true, "digits": true, "period": true, "counter": true}

// foreign says of parameters that make other codes, or another secret, than the URI shows, whose they are.
func foreign(name string) string {
	switch {
	case name == "encoder":
		return "it makes codes of another form (Steam's)"
	case strings.HasPrefix(name, "2step_"):
		return "the secret is only half of the key (privacyIDEA's two-step enrolment): the app makes the other half"
	}
	return ""
}

// parameters reads the query. Only the names in known are kept, and each may stand there once.
func parameters(query string) (map[string]string, error) {
	params := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, wrong("", "a parameter's name has a %% that two hexadecimal digits do not follow")
		}
		name = strings.ToLower(name)
		if why := foreign(name); why != "" {
			return nil, wrong("", "it has a parameter that Tandem cannot follow: %s", why)
		}
		if !known[name] {
			continue
		}
		if _, twice := params[name]; twice {
			return nil, wrong(name, "it stands there twice: apps differ in which one they read")
		}
		if params[name], err = url.QueryUnescape(value); err != nil {
			return nil, wrong(name, "it has a %% that two hexadecimal digits do not follow")
		}
	}
	return params, nil
}

// readLabel reads "issuer:account", or the account alone.
func readLabel(label string) (issuer, account string, err error) {
	plain, err := url.PathUnescape(label)
	if err != nil {
		return "", "", wrong("label", "it has a %% that two hexadecimal digits do not follow")
	}
	issuer, account, both := strings.Cut(plain, ":")
	if !both {
		issuer, account = "", plain
	}
	account = strings.TrimLeft(account, " ")
	for _, name := range []string{issuer, account} {
		if err := checkName("label", name); err != nil {
			return "", "", err
		}
	}
	return issuer, account, nil
}

// checkName refuses what would not be one line on a terminal.
func checkName(param, name string) error {
	switch {
	case len(name) > maxName:
		return wrong(param, "it has %d octets, more than %d", len(name), maxName)
	case !utf8.ValidString(name):
		return wrong(param, "it is not UTF-8")
	case strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0:
		return wrong(param, "it has characters in it that cannot be printed")
	}
	return nil
}

package yubico

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tandem/verify"
)

// question is one check in the words of the validation protocol 2.0. It goes to every server with the same nonce:
// servers that tell each other what they were asked then know it for one question.
type question struct {
	client string
	key    []byte
	otp    string
	nonce  string
}

// query is what is put to a server: a signed request that asks for the counters too.
func (q question) query() string {
	asked := fields{"id": q.client, "nonce": q.nonce, "otp": q.otp, "timestamp": "1"}
	asked["h"] = base64.StdEncoding.EncodeToString(asked.mac(q.key))
	values := url.Values{}
	for name, value := range asked {
		values.Set(name, value)
	}
	return values.Encode()
}

// answer is a definite answer of a server's.
type answer struct {
	server, status string
	result         verify.Result
	// at is the press that the code belongs to, if the server says so and signs it.
	at *press
}

func (a answer) String() string { return a.server + " says " + a.status }

// definite are the statuses that say something about the code.
var definite = map[string]verify.Result{
	"OK":           verify.Match,
	"BAD_OTP":      verify.NoMatch,
	"REPLAYED_OTP": verify.Used,
	"DELAYED_OTP":  verify.NoMatch, // right, but held back for long: its clock is behind that of an earlier code
}

// remedies are for statuses that say something about us, or about the server.
var remedies = map[string]string{
	"NO_SUCH_CLIENT":        ": is client_id the one that this server gave out?",
	"BAD_SIGNATURE":         ": is api_key the one that belongs to client_id?",
	"OPERATION_NOT_ALLOWED": ": have client_id allowed there",
	"REPLAYED_REQUEST":      ": it knows the code and this very request already, from another server",
}

// judge reads a server's answer. The error says why it is none.
func (q question) judge(body []byte) (answer, error) {
	got, err := parseFields(body)
	if err != nil {
		return answer{}, err
	}
	status := got["status"]
	result, ok := definite[status]
	if !ok {
		return answer{}, fmt.Errorf("it says %.40q and nothing about the code%s", status, remedies[status])
	}
	counted, err := q.verify(got)
	if err != nil {
		return answer{}, err
	}
	if err := q.concerns(got, result); err != nil {
		return answer{}, err
	}
	a := answer{status: status, result: result}
	if counted && result == verify.Match {
		a.at, err = got.press()
	}
	return a, err
}

// verify checks the signature of an answer, and says whether it covers the counters: some servers
// (Debian's yubiserver 0.6) sign before they add them.
func (q question) verify(got fields) (counted bool, err error) {
	signature, err := base64.StdEncoding.Strict().DecodeString(got["h"])
	if err != nil {
		return false, errors.New("its signature h is not base64")
	}
	if hmac.Equal(signature, got.mac(q.key)) {
		return true, nil
	}
	if hmac.Equal(signature, got.mac(q.key, "timestamp", "sessioncounter", "sessionuse")) {
		return false, nil
	}
	return false, errors.New("its signature h is missing or wrong: is api_key the one that belongs to client_id?")
}

// concerns checks that the answer is to this question. Old yubikey-val servers leave code and nonce out
// of a no, which then could be an older no.
func (q question) concerns(got fields, result verify.Result) error {
	for name, asked := range map[string]string{"otp": q.otp, "nonce": q.nonce} {
		value, there := got[name]
		if value != asked && (there || result == verify.Match) {
			return fmt.Errorf("its %s is not the one that was sent: it answers another question", name)
		}
	}
	return nil
}

// fields are the parameters of a request or an answer.
type fields map[string]string

// maxFields is how many an answer may have; there are nine.
const maxFields = 32

// parseFields reads the lines of an answer, name=value, none of them twice.
func parseFields(body []byte) (fields, error) {
	got := fields{}
	for line := range bytes.Lines(body) {
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			continue
		}
		name, value, ok := strings.Cut(text, "=")
		_, twice := got[name]
		switch {
		case !ok || name == "" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
			return nil, errors.New("it is not of the validation protocol's form: is the URL right, with its path /wsapi/2.0/verify?")
		case twice:
			return nil, fmt.Errorf("%.40q stands in it twice", name)
		case len(got) == maxFields:
			return nil, fmt.Errorf("it has more than %d lines", maxFields)
		}
		got[name] = value
	}
	return got, nil
}

// mac is the HMAC-SHA-1 over all fields but h and those left out, in the order of their names.
func (f fields) mac(key []byte, leftOut ...string) []byte {
	var signed []string
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if name != "h" && !slices.Contains(leftOut, name) {
			signed = append(signed, name+"="+f[name])
		}
	}
	m := hmac.New(sha1.New, key)
	m.Write([]byte(strings.Join(signed, "&")))
	return m.Sum(nil)
}

// press reads the counters; nil if the answer has none.
func (f fields) press() (*press, error) {
	session, hasSession := f["sessioncounter"]
	use, hasUse := f["sessionuse"]
	if !hasSession && !hasUse {
		return nil, nil
	}
	s, err := strconv.ParseUint(session, 10, 16)
	u, err2 := strconv.ParseUint(use, 10, 8)
	if err != nil || err2 != nil {
		return nil, errors.New("its counters are none that a YubiKey can have")
	}
	at := newPress(uint16(s), uint8(u))
	return &at, nil
}

package directory

import (
	"bytes"
	"crypto/md5" // for names of entries, as LemonLDAP::NG makes them: it protects nothing
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// What one session may be at most: it also holds the user's login history.
const (
	maxSessionSize    = 256 << 10 // octets
	maxSessionNesting = 64
)

// sessionMember holds the devices in a session: a string, in which stands the JSON array for [ParseDevices].
const sessionMember = "_2fDevices"

// SessionID names a user's persistent session in LemonLDAP::NG: the MD5 of the login name, in hexadecimal digits.
// Upper and lower case make a difference.
func SessionID(name string) string {
	sum := md5.Sum([]byte(name))
	return hex.EncodeToString(sum[:])
}

// NewSession is a persistent session without devices, as LemonLDAP::NG makes it at a user's first login.
func NewSession(name string, now time.Time) ([]byte, error) {
	return encodeJSON(struct {
		ID      string `json:"_session_id"`
		Kind    string `json:"_session_kind"`
		User    string `json:"_session_uid"`
		Time    int64  `json:"_utime"`
		Updated string `json:"_updateTime"`
	}{SessionID(name), "Persistent", name, now.Unix(), now.Format("20060102150405")})
}

// openSession takes the array of devices out of a session; it is empty where there are none yet.
func openSession(raw []byte) (array []byte, err error) {
	switch {
	case len(raw) > maxSessionSize:
		return nil, fmt.Errorf("the session has %d octets, more than %d", len(raw), maxSessionSize)
	case !utf8.Valid(raw) || !json.Valid(raw) || nestsDeeper(raw, maxSessionNesting):
		return nil, errors.New("the session is not JSON: it must be one that LemonLDAP::NG keeps with its JSON serializer")
	}
	members, err := parseMembers(raw)
	if err != nil {
		return nil, fmt.Errorf("the session cannot be read: %w", err)
	}
	value, there := members[sessionMember]
	if !there || string(value) == "null" {
		return nil, nil
	}
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return nil, fmt.Errorf("the session's %s is not a string", sessionMember)
	}
	// Half of a surrogate pair ("\ud800") is no character, and would come back as another one.
	if bytes.ContainsRune([]byte(text), utf8.RuneError) && !bytes.ContainsRune(value, utf8.RuneError) {
		return nil, fmt.Errorf("the session's %s holds what is no text", sessionMember)
	}
	return []byte(text), nil
}

// closeSession puts an array of devices into a session and leaves all else in it as it is written.
func closeSession(raw, array []byte) ([]byte, error) {
	quoted, err := encodeJSON(string(array))
	if err != nil {
		return nil, err
	}
	return setMember(raw, sessionMember, quoted)
}

// Package people derives the users of the benchmark from their numbers, so that the directories, the servers and the
// load agree without sharing a file: name, password and TOTP secret of user 7 are the same everywhere and always.
package people

import (
	"crypto/hmac"
	"crypto/sha1" // RFC 6238 counts with it
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"
)

// Base is the suffix of the directory, and People the entry under which the users stand.
const (
	Base   = "dc=perf,dc=test"
	People = "ou=people," + Base
)

// Period is the length of a TOTP step.
const Period = 30 * time.Second

// User is one of them.
type User struct {
	Number int
	// Name is u00001 and so on.
	Name string
	// Password has 17 characters for numbers of five digits; with a code behind it, 23: two blocks of User-Password.
	Password string
	// Secret is the TOTP key, 20 octets, SHA-1, 6 digits, 30 s.
	Secret [20]byte
}

// Get returns the user with that number, from 1.
func Get(number int) User {
	h := sha256.Sum256(fmt.Appendf(nil, "perf-user-%d", number))
	return User{
		Number:   number,
		Name:     fmt.Sprintf("u%05d", number),
		Password: fmt.Sprintf("Pw.%05d.%x", number, h[:4]),
		Secret:   [20]byte(h[8:28]),
	}
}

// Base32 is the secret as users files and entries have it.
func (u User) Base32() string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(u.Secret[:])
}

// DN is the user's entry.
func (u User) DN() string { return "uid=" + u.Name + "," + People }

// SSHA is userPassword: a cheap hash, because the directory's hashing is not what is measured.
func (u User) SSHA() string {
	salt := sha256.Sum256([]byte("salt" + u.Name))
	sum := sha1.Sum(append([]byte(u.Password), salt[:8]...))
	return "{SSHA}" + base64.StdEncoding.EncodeToString(append(sum[:], salt[:8]...))
}

// Devices is the secret as LemonLDAP::NG keeps it in _2fDevices.
func (u User) Devices() string {
	return fmt.Sprintf(`[{"type":"TOTP","name":"MyTOTP","_secret":"%s","epoch":"1523817955"}]`, u.Base32())
}

// Step is the TOTP step of a time.
func Step(t time.Time) uint64 { return uint64(t.Unix()) / uint64(Period/time.Second) }

// Code is the user's code of a step (RFC 4226 §5.3).
func (u User) Code(step uint64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], step)
	mac := hmac.New(sha1.New, u.Secret[:])
	mac.Write(counter[:])
	sum := mac.Sum(make([]byte, 0, sha1.Size))
	at := sum[len(sum)-1] & 15
	number := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff % 1_000_000
	return fmt.Sprintf("%06d", number)
}

// WrongCode is a code that is the user's in no step near step.
func (u User) WrongCode(step uint64) string {
	near := map[string]bool{}
	for s := step - 3; s <= step+3; s++ {
		near[u.Code(s)] = true
	}
	for i := 0; ; i++ {
		if code := fmt.Sprintf("%06d", i); !near[code] {
			return code
		}
	}
}

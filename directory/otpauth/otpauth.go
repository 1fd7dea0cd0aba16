// Package otpauth reads and writes otpauth:// URIs, which is what authenticator apps take as a QR code:
//
//	otpauth://totp/Example%20Corp:alice?secret=JJ4YUZLMNR4WK4TT&issuer=Example%20Corp&digits=8
//
// The form is Google Authenticator's "Key URI Format". It was never a standard, so [Key.URI] writes what all apps
// read, and [Parse] refuses what apps read in different ways.
//
// A URI holds the secret itself: whoever has one gives codes for ever. Never write one to a log, an error or
// another program's arguments. The errors of this package quote no part of a URI.
package otpauth

import (
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"

	"tandem/directory"
)

// What apps assume where a URI says nothing.
const (
	DefaultDigits    = 6
	DefaultPeriod    = 30 // seconds
	DefaultAlgorithm = "SHA1"
)

// Key is what one URI says.
type Key struct {
	// Device is a TOTP or HOTP device; its Name, Source and Epoch are in no URI.
	Device directory.Device
	// Issuer is who gives the key out, Account whom it is for: apps show both above the code. The issuer may be empty.
	Issuer, Account string
}

// URI writes k, as short as can be: each letter less makes the modules of its QR code larger.
//
// A Device without digits, period or algorithm gives a URI without them, which means [DefaultDigits],
// [DefaultPeriod] and [DefaultAlgorithm] to an app: a caller whose own defaults differ fills them in before. A colon
// in the issuer or in the account, which the format has no way to write, becomes a "-". A device of any other type
// than TOTP and HOTP has no URI: the result is empty.
func (k Key) URI() string {
	d := k.Device
	var b strings.Builder
	switch d.Type {
	case directory.TypeTOTP:
		b.WriteString("otpauth://totp/")
	case directory.TypeHOTP:
		b.WriteString("otpauth://hotp/")
	default:
		return ""
	}
	issuer, account := escape(withoutColon(k.Issuer)), escape(withoutColon(k.Account))
	if issuer != "" {
		b.WriteString(issuer + ":")
	}
	b.WriteString(account)
	b.WriteString("?secret=" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte(d.Secret.Reveal())))
	if issuer != "" {
		b.WriteString("&issuer=" + issuer)
	}
	if d.Algorithm != "" && d.Algorithm != DefaultAlgorithm {
		b.WriteString("&algorithm=" + d.Algorithm)
	}
	if d.Digits != 0 && d.Digits != DefaultDigits {
		fmt.Fprintf(&b, "&digits=%d", d.Digits)
	}
	if d.Type == directory.TypeHOTP {
		b.WriteString("&counter=" + strconv.FormatUint(d.Counter, 10)) // an app refuses a hotp URI without it, even at 0
	} else if d.Period != 0 && d.Period != DefaultPeriod {
		fmt.Fprintf(&b, "&period=%d", d.Period)
	}
	return b.String()
}

func withoutColon(s string) string { return strings.ReplaceAll(s, ":", "-") }

// escape leaves what RFC 3986 calls unreserved, and the "@" of mail addresses, which may stand in a path and in a
// query. A space becomes %20: not every app reads a "+" as one.
func escape(s string) string {
	const hexadecimal = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~@", c) >= 0:
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexadecimal[c>>4], hexadecimal[c&15]})
		}
	}
	return b.String()
}

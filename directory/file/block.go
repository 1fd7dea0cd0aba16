package file

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"strings"

	"tandem/directory"
	"tandem/internal/secret"
)

// secretEncoding is how LemonLDAP::NG writes secrets, but for its small letters.
var secretEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// block returns the lines that write d down. Secrets are encrypted if a key is configured.
func block(d directory.Device, o directory.DeviceOptions) ([]string, error) {
	lines := []string{
		"[[users.devices]]",
		"type = " + quote(d.Type),
		"name = " + quote(d.Name),
		fmt.Sprintf("epoch = %d", d.Epoch),
	}
	say := func(key, value string) { lines = append(lines, key+" = "+value) }

	if d.PublicID != "" {
		say("public_id", quote(d.PublicID))
	}
	secrets := []struct {
		key    string
		value  secret.String
		encode func([]byte) string
	}{
		{"secret", d.Secret, func(b []byte) string { return strings.ToLower(secretEncoding.EncodeToString(b)) }},
		{"private_id", d.PrivateID, hex.EncodeToString},
	}
	if d.Type == directory.TypeYubikey {
		secrets[0].key, secrets[0].encode = "aes_key", hex.EncodeToString
	}
	for _, s := range secrets {
		if s.value.Empty() {
			continue
		}
		written, err := sealed(s.encode([]byte(s.value.Reveal())), o.CryptKey)
		if err != nil {
			return nil, err
		}
		say(s.key, quote(written))
	}

	if d.Digits != 0 {
		say("digits", fmt.Sprint(d.Digits))
	}
	if d.Period != 0 {
		say("period", fmt.Sprint(d.Period))
	}
	if d.Algorithm != "" {
		say("algorithm", quote(d.Algorithm))
	}
	if d.Counter != 0 {
		say("counter", fmt.Sprint(d.Counter))
	}
	return lines, nil
}

// sealed is written as it is, or encrypted if there is a key.
func sealed(written string, key secret.String) (string, error) {
	if key.Empty() {
		return written, nil
	}
	return directory.EncryptLLNG([]byte(written), key, rand.Reader)
}

// quote writes a TOML basic string.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, "\\u%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

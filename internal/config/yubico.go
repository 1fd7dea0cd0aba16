package config

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"time"

	"tandem/internal/secret"
	"tandem/internal/tomlfile"
)

// Yubico is for the codes of YubiKeys (Yubico OTP). Devices that carry their own AES key need nothing but the block.
type Yubico struct {
	// Servers are the URLs of validation servers (protocol 2.0) for YubiKeys whose AES key is not known here, up to 8,
	// which are all asked at once; empty: such YubiKeys cannot be used.
	// Default: []. Reload: taken over.
	Servers []string `toml:"servers"`
	// ClientID is what the servers know this Tandem by.
	// Required with Servers. Reload: taken over.
	ClientID int `toml:"client_id"`
	// APIKey is what ClientID signs with, in base64 as it was given out.
	// Required with Servers, unless APIKeyFile is given. Reload: taken over.
	APIKey secret.String `toml:"api_key"`
	// APIKeyFile holds that key, on one line.
	// Default: none. Reload: read anew.
	APIKeyFile string `toml:"api_key_file"`
	// CAFile holds the PEM certificates of the authorities to trust; empty: the host's own.
	// Default: empty. Reload: read anew.
	CAFile string `toml:"ca_file"`
	// AllowPlaintext lets codes travel to other hosts without TLS.
	// Default: false. Reload: taken over.
	AllowPlaintext bool `toml:"allow_plaintext"`
	// Timeout is the time for one check over all servers. 100ms to 1m.
	// Default: 4s. Reload: taken over.
	Timeout time.Duration `toml:"timeout"`
	// MaxConcurrent is how many checks may be under way at the servers. 1 to 256.
	// Default: 16. Reload: taken over.
	MaxConcurrent int `toml:"max_concurrent"`
	// KeysFile holds AES keys, a YubiKey a line: public id, private id, AES key. Private.
	// Default: none. Reload: read anew.
	KeysFile string `toml:"keys_file"`
	// Level is what a login with it is worth, 0 to 100; see policies.level.
	// Default: 2. Reload: taken over.
	Level int `toml:"level"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (y *Yubico) SetDefaults() {
	*y = Yubico{Servers: []string{}, Timeout: 4 * time.Second, MaxConcurrent: 16, Level: 2}
}

const (
	yubicoBlock = "factor.yubico"
	// maxYubicoServers bounds how many connections one check makes.
	maxYubicoServers = 8
	// minAPIKey is in octets; Yubico's keys have 20.
	minAPIKey = 16
	// MaxYubikeysFile is in octets; a line has some 60.
	MaxYubikeysFile = 16 << 20
)

func (c *checker) yubico(y *Yubico) {
	between(c, yubicoBlock+".level", y.Level, 0, 100)
	if y.KeysFile != "" || c.has(yubicoBlock+".keys_file") {
		c.path(yubicoBlock+".keys_file", &y.KeysFile)
		if _, err := tomlfile.ReadBytes(y.KeysFile, tomlfile.Options{Private: true, MaxBytes: MaxYubikeysFile}); err != nil && y.KeysFile != "" {
			c.Errorf(yubicoBlock+".keys_file", "%v", err)
		}
	}
	if len(y.Servers) == 0 {
		for _, name := range []string{"client_id", "api_key", "api_key_file", "ca_file", "allow_plaintext", "timeout", "max_concurrent"} {
			if key := yubicoBlock + "." + name; c.has(key) {
				c.Errorf(key, "is not used, as there are no servers: remove it, or write them")
			}
		}
		return
	}
	c.yubicoServers(y)
	if y.ClientID < 1 {
		if c.has(yubicoBlock + ".client_id") {
			c.Errorf(yubicoBlock+".client_id", "is %d: write the number that the servers gave out together with the API key", y.ClientID)
		} else {
			c.missing(yubicoBlock+".client_id", "write the number that the servers gave out together with the API key")
		}
	}
	c.secret(yubicoBlock+".api_key", &y.APIKey, yubicoBlock+".api_key_file", &y.APIKeyFile, true)
	if key, err := base64.StdEncoding.DecodeString(y.APIKey.Reveal()); !y.APIKey.Empty() && (err != nil || len(key) < minAPIKey) {
		at := yubicoBlock + ".api_key"
		if y.APIKeyFile != "" {
			at = yubicoBlock + ".api_key_file"
		}
		c.Errorf(at, "is not base64 of at least %d bytes: copy the API key as the servers gave it out", minAPIKey)
	}
	c.provider(yubicoBlock, y.Timeout, y.MaxConcurrent)
}

// yubicoServers checks where codes are sent to, and that nobody on the way reads or changes anything.
func (c *checker) yubicoServers(y *Yubico) {
	if len(y.Servers) > maxYubicoServers {
		c.Errorf(yubicoBlock+".servers", "are %d: at most %d are asked at once", len(y.Servers), maxYubicoServers)
	}
	encrypted, open := 0, 0
	for i, text := range y.Servers {
		key := fmt.Sprintf("%s.servers[%d]", yubicoBlock, i)
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Path == "" || u.Path == "/":
			c.Errorf(key, "is not the URL of a validation server: write it with its path, like https://api.yubico.com/wsapi/2.0/verify")
			return // what follows from the other URLs is not known
		case u.User != nil || u.RawQuery != "" || u.Fragment != "":
			c.Errorf(key, "has a user, a query or a fragment in it: leave them out")
		case slices.Contains(y.Servers[:i], text):
			c.Errorf(key, "%s stands there twice: leave one out", text)
		case u.Scheme == "https":
			encrypted++
		case isLoopback(u.Hostname()):
		case y.AllowPlaintext:
			open++
			c.Warnf(key, "codes travel to %s unencrypted (allow_plaintext): use https://", u.Host)
		default:
			c.Errorf(key, "sends codes unencrypted: write https://, or, if nobody else is on that network, allow_plaintext = true")
			return
		}
	}
	if y.AllowPlaintext && open == 0 {
		c.Errorf(yubicoBlock+".allow_plaintext", "is not used, as no code leaves this host unencrypted: remove it")
	}
	if y.CAFile == "" {
		return
	}
	c.path(yubicoBlock+".ca_file", &y.CAFile)
	if encrypted == 0 {
		c.Errorf(yubicoBlock+".ca_file", "is not used, as no connection has TLS: remove it, or use https://")
	}
}

package config

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// Factors are the second factors beside TOTP and HOTP. Each is there only if it is configured.
type Factors struct {
	Password SecondPassword `toml:"password"`
	Recovery Recovery       `toml:"recovery"`
	Yubico   *Yubico        `toml:"yubico"`
	External []External     `toml:"external"`
	REST     []REST         `toml:"rest"`
	Mail     []Mail         `toml:"mail"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (f *Factors) SetDefaults() {
	f.Password.SetDefaults()
	f.Recovery.SetDefaults()
}

// names are those of all factors that are set up, TOTP and HOTP among them.
func (f *Factors) names() []string {
	names := []string{"totp", "hotp"}
	if f.Yubico != nil {
		names = append(names, "yubico")
	}
	for i := range f.External {
		names = append(names, f.External[i].Name)
	}
	for i := range f.REST {
		names = append(names, f.REST[i].Name)
	}
	for i := range f.Mail {
		names = append(names, f.Mail[i].Name)
	}
	if f.Password.Enabled {
		names = append(names, "password")
	}
	if f.Recovery.Enabled {
		names = append(names, "recovery")
	}
	return names
}

// sending are the names of the factors that send codes.
func (f *Factors) sending() []string {
	var names []string
	for i := range f.External {
		if len(f.External[i].Send) > 0 {
			names = append(names, f.External[i].Name)
		}
	}
	for i := range f.REST {
		if f.REST[i].InitURL != "" {
			names = append(names, f.REST[i].Name)
		}
	}
	for i := range f.Mail {
		names = append(names, f.Mail[i].Name)
	}
	return names
}

// factors checks what is configured. Factors are told apart by their names, in policies and by users.
func (c *checker) factors(f *Factors, devices *Devices, d *Directory) {
	// names that are taken, and by which block; the first ones by nobody's
	taken := map[string]string{"totp": "", "hotp": "", "yubico": "", "password": "", "recovery": "", "off": "", "required": ""}
	c.secondPassword(&f.Password, devices)
	between(c, "factor.recovery.level", f.Recovery.Level, 0, 100)
	if f.Yubico != nil {
		c.yubico(f.Yubico)
	}
	for i := range f.External {
		c.external(fmt.Sprintf("factor.external[%d]", i), &f.External[i], d.ExtraAttributes(), taken)
	}
	for i := range f.REST {
		c.rest(fmt.Sprintf("factor.rest[%d]", i), &f.REST[i], d.ExtraAttributes(), taken)
	}
	for i := range f.Mail {
		c.mail(fmt.Sprintf("factor.mail[%d]", i), &f.Mail[i], d.ExtraAttributes(), taken)
	}
}

// factorName checks a name that users type.
func (c *checker) factorName(key, name string, taken map[string]string) {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(name) > 32 {
		c.Errorf(key, "%.40q cannot be typed easily: use at most 32 of a-z, 0-9 and -", name)
		return
	}
	if by, ok := taken[name]; ok && by == "" {
		c.Errorf(key, "%q means something to Tandem already: choose another name", name)
		return
	}
	c.name(key, name, taken)
}

// label checks what menus show; empty: the name.
func (c *checker) label(key, label string) {
	if len(label) > maxName || strings.ContainsFunc(label, unicode.IsControl) {
		c.Errorf(key, "is longer than %d bytes, or has a control character: write one or two words", maxName)
	}
}

// provider checks the limits of a factor that depends on somebody else.
func (c *checker) provider(key string, timeout time.Duration, maxConcurrent int) {
	between(c, key+".timeout", timeout, 100*time.Millisecond, time.Minute)
	between(c, key+".max_concurrent", maxConcurrent, 1, 256)
}

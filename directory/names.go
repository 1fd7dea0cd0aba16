package directory

import (
	"slices"
	"strings"
)

// Names says which domains and realms people may write with their account's name: `CORP\alice` and
// "alice@corp.example.com" are then alice. Case does not matter. The zero value takes every name as it is.
//
// What is not listed stays where it is, so that `OTHER\alice` can never be taken for our alice.
type Names struct {
	// Domains stand before a backslash: NetBIOS names.
	Domains []string
	// Realms stand after the last "@": DNS domains, Kerberos realms, suffixes of user principal names.
	Realms []string
}

// Plain takes a listed domain or realm off what was typed: one of them, once. A name with a backslash is
// never looked at for a realm. The result may be empty.
func (n Names) Plain(typed string) string {
	if domain, name, ok := strings.Cut(typed, `\`); ok {
		if holds(n.Domains, domain) {
			return name
		}
		return typed
	}
	if i := strings.LastIndexByte(typed, '@'); i >= 0 && holds(n.Realms, typed[i+1:]) {
		return typed[:i]
	}
	return typed
}

func holds(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

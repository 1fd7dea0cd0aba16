package mail

import (
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// The longest local part and address that SMTP carries, in octets (RFC 5321 §4.5.3.1).
const (
	maxLocal   = 64
	maxAddress = 254
)

// address is a mailbox that is safe to be written into a header and an SMTP command.
type address struct {
	// text is as the directory has it.
	text string
	// mailbox is local@domain, the domain in ASCII (RFC 5890).
	mailbox string
	// needsUTF8: the local part is not ASCII, and the server has to know SMTPUTF8 (RFC 6531).
	needsUTF8 bool
}

// errNoAddress: the directory has none.
var errNoAddress = errors.New("the user has no mail address: write one into the entry")

// domains maps domain names to ASCII and checks them as a look-up would (RFC 5891 §5), and their length too.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// parseAddress takes a text that is one address, local@domain, and nothing else: no name, no brackets, no comment, no
// list, no quoted local part, no domain in brackets. Such things are valid in mails (RFC 5322 §3.4), and nobody's
// mailbox is called so; but each is read in two ways by some pair of programs.
func parseAddress(text string) (address, error) {
	switch {
	case text == "":
		return address{}, errNoAddress
	case len(text) > maxAddress:
		return address{}, fmt.Errorf("it is longer than %d octets", maxAddress)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }):
		return address{}, fmt.Errorf("%q has characters that no address has", text)
	}
	parsed, err := netmail.ParseAddress(text)
	if err != nil || parsed.Address != text || strings.ContainsAny(text, `"()<>[]:;\,`) {
		return address{}, fmt.Errorf("%q is not exactly one address like alice@example.org", text)
	}
	at := strings.LastIndexByte(text, '@')
	local := text[:at]
	if len(local) > maxLocal || strings.Contains(local, "@") || strings.HasPrefix(local, "-") { // an option, to sendmail
		return address{}, fmt.Errorf("%q has no good local part, before the @", text)
	}
	domain, err := domains.ToASCII(text[at+1:])
	if err != nil || domain == "" {
		return address{}, fmt.Errorf("%q has no good domain, behind the @", text)
	}
	return address{
		text:      text,
		mailbox:   local + "@" + domain,
		needsUTF8: strings.ContainsFunc(local, func(r rune) bool { return r > unicode.MaxASCII }),
	}, nil
}

// parseSender takes the configured sender, which may have a name, and which every server has to take.
func parseSender(text string) (*netmail.Address, error) {
	parsed, err := netmail.ParseAddress(text)
	if err != nil {
		return nil, fmt.Errorf(`the sender %q is not an address: write it like "tandem@example.org" or "Tandem <tandem@example.org>"`, text)
	}
	a, err := parseAddress(parsed.Address)
	if err != nil {
		return nil, fmt.Errorf("the sender: %w", err)
	}
	if a.needsUTF8 {
		return nil, fmt.Errorf("the sender %q is not ASCII, which not every server takes: use another one", text)
	}
	return &netmail.Address{Name: parsed.Name, Address: a.mailbox}, nil
}

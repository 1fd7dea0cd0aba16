package mail

import (
	netmail "net/mail"
	"strings"
	"testing"
)

var (
	goodAddresses = map[string]string{
		"alice@example.org":                      "alice@example.org",
		"a.l+tag@sub.example.org":                "a.l+tag@sub.example.org",
		"o'hara@example.org":                     "o'hara@example.org",
		"alice@EXAMPLE.org":                      "alice@example.org",
		"alice@exämple.org":                      "alice@xn--exmple-cua.org",
		"李@例子.中国":                                "李@xn--fsqu00a.xn--fiqs8s",
		"alice@localhost":                        "alice@localhost",
		strings.Repeat("a", 64) + "@example.org": strings.Repeat("a", 64) + "@example.org",
	}
	badAddresses = []string{
		"", " ", "alice", "@", "@example.org", "alice@", "alice@example.org ", " alice@example.org",
		"alice@example.org\r\nBcc: eve@example.com", "alice@example.org\nX: y", "alice@example.org\r", "alice\x00@example.org",
		"alice@example.org, eve@example.com", "alice@example.org;eve@example.com", "alice@example.org eve@example.com",
		"Alice <alice@example.org>", "<alice@example.org>", "<alice@example.org>,<eve@example.com>", "group: alice@example.org;",
		"alice@example.org (comment)", "alice(comment)@example.org", `"alice"@example.org`, `"a b"@example.org`, `"a>b"@example.org`,
		`"alice@example.com> SIZE=1"@example.org`, `al\ice@example.org`, "alice@[127.0.0.1]", "alice@[IPv6:::1]", "alice@example..org", "alice@.example.org",
		"a@b@example.org", ".alice@example.org", "alice.@example.org", "al..ice@example.org", "alice@example.org>", "alice@exam_ple.org", "alice@-example.org",
		"-oQ/tmp@example.org", "=?utf-8?q?alice?=@example.org\u2028", "ali\u202ece@example.org", "ali\u200bce@example.org", "alice@exam\u00adple.org\u00a0",
		"\xffalice@example.org", "alice@ex\xff.org", strings.Repeat("a", 65) + "@example.org", "a@" + strings.Repeat("a.", 130) + "org",
		"a@" + strings.Repeat("a", 64) + ".org", "alice@example.org\u2029", "alice\u00a0@example.org", "alice\t@example.org",
	}
)

func TestParseAddress(t *testing.T) {
	for text, want := range goodAddresses {
		a, err := parseAddress(text)
		if err != nil || a.mailbox != want {
			t.Errorf("%q is %+v, %v", text, a, err)
		}
		if a.needsUTF8 != strings.HasPrefix(text, "李") {
			t.Errorf("%q: needs SMTPUTF8: %t", text, a.needsUTF8)
		}
	}
}

func TestRow39_OnlyOneAddressIsAnAddress(t *testing.T) {
	for _, text := range badAddresses {
		if a, err := parseAddress(text); err == nil {
			t.Errorf("%q is taken for %+v", text, a)
		}
	}
}

// FuzzParseAddress: what is taken can be written into a header and a command as it is, and is read there as one
// address.
func FuzzParseAddress(f *testing.F) {
	for text := range goodAddresses {
		f.Add(text)
	}
	for _, text := range badAddresses {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAddress(text)
		if err != nil {
			return
		}
		if strings.ContainsAny(a.mailbox, "\x00\r\n\t <>()[]\",:;\\") || strings.Count(a.mailbox, "@") != 1 || len(a.mailbox) > 1000 {
			t.Errorf("%q is taken for %q", text, a.mailbox)
		}
		list, err := netmail.ParseAddressList((&netmail.Address{Address: a.mailbox}).String())
		if err != nil || len(list) != 1 || list[0].Address != a.mailbox || list[0].Name != "" {
			t.Errorf("%q is written as %q, and read as %v, %v", text, a.mailbox, list, err)
		}
		if again, err := parseAddress(a.mailbox); err != nil || again.mailbox != a.mailbox || again.needsUTF8 != a.needsUTF8 {
			t.Errorf("%q is %+v, and that is %+v, %v", text, a, again, err)
		}
	})
}

package tokens_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tandem/directory/tokens"
	"tandem/internal/secret"
)

// TestRow22_TokenFilesAreBounded: entities, depth, names that stand there twice, and size.
func TestRow22_TokenFilesAreBounded(t *testing.T) {
	two := figure(t, "2")
	for name, text := range map[string]string{
		"declared entities": "<!DOCTYPE a [<!ENTITY b \"c\">]>" + two[strings.Index(two, "<KeyContainer"):],
		"depth":             edit(t, two, "Issuer-A", strings.Repeat("<a>", 30)+strings.Repeat("</a>", 30)),
		"two secrets":       edit(t, two, "</Secret>", "</Secret><Secret><PlainValue>NDMyMQ==</PlainValue></Secret>"),
		"size":              two + strings.Repeat(" ", tokens.MaxFile),
	} {
		if found, problems := tokens.Read("pskc", strings.NewReader(text), tokens.Options{}); len(found) > 0 || len(problems) != 1 {
			t.Errorf("%s: %v, %v", name, found, problems)
		}
	}
}

// TestRow32_KeysThatNobodyCanBeSureOf are not taken: a wrong key would make wrong codes in silence.
func TestRow32_KeysThatNobodyCanBeSureOf(t *testing.T) {
	six := figure(t, "6")
	o := tokens.Options{Key: secret.New("\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12\x34\x56\x78\x90\x12")}
	for name, c := range map[string]struct{ format, text string }{
		"another MAC":   {"pskc", edit(t, six, "Su+NvtQf", "Tu+NvtQf")},
		"no MAC":        {"pskc", edit(t, edit(t, six, "<ValueMAC>Su+NvtQfmvfJzF6bmQiJqoLRExc=", "<X>"), "</ValueMAC>", "</X>")},
		"two encodings": {"oath-csv", "type,key\ntotp," + base32 + "\ntotp,4142434445464748494142434445464748494142\ntotp,ABCDEFABCDEFABCDABCDEFABCDEFABCD\n"},
	} {
		if found, problems := tokens.Read(c.format, strings.NewReader(c.text), o); len(found) > 0 || len(problems) == 0 {
			t.Errorf("%s: %v, %v", name, found, problems)
		}
	}
}

// TestRow23_UsedCodesStayUsed when a token comes from another program.
func TestRow23_UsedCodesStayUsed(t *testing.T) {
	found := read(t, "users.oath", "HOTP bea - "+hex+" 4 338314 2026-11-22T00:58:49L\n", tokens.Options{})
	if len(found) != 1 || found[0].Device.Counter != 5 {
		t.Errorf("%v", found)
	}
	found = read(t, "google-authenticator", base32+"\n\" DISALLOW_REUSE 29921818 29921820\n\" TOTP_AUTH\n", tokens.Options{User: "alice"})
	if len(found) != 1 || !slices.Equal(found[0].Used, []uint64{29921818, 29921820}) {
		t.Errorf("%v", found)
	}
}

// TestRow50_NoProblemQuotesASecret: whatever is wrong with a file, and wherever.
func TestRow50_NoProblemQuotesASecret(t *testing.T) {
	six := figure(t, "2")
	for name, c := range map[string]struct{ format, text string }{
		"XML":     {"pskc", edit(t, six, "MTIzNA==", "&"+base32+";")},
		"base64":  {"pskc", edit(t, six, "MTIzNA==", base32+"!")},
		"URI":     {"otpauth", "otpauth://totp/a?secret=" + base32 + "%"},
		"scheme":  {"otpauth", base32},
		"CSV":     {"oath-csv", "key,type\n\"" + base32 + "\"x,totp\n"},
		"columns": {"users.oath", base32},
		"key":     {"users.oath", "HOTP a - " + base32},
		"google":  {"google-authenticator", base32 + "!\n"},
		"yubico":  {"yubico-csv", base32 + ",1,2,3\n1,2,3," + base32 + "\n"},
	} {
		_, problems := tokens.Read(c.format, strings.NewReader(c.text), tokens.Options{File: "file"})
		if told := fmt.Sprint(problems); len(problems) == 0 || strings.Contains(strings.ToUpper(told), base32[:8]) {
			t.Errorf("%s: %s", name, told)
		}
	}
}

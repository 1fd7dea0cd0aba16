package tokens_test

import (
	"bytes"
	"crypto/rand"
	"regexp"
	"strings"
	"testing"

	"tandem/directory"
	"tandem/directory/tokens"
	"tandem/internal/secret"
)

// Somebody on the way between the vendor and us puts keys that they know in place of those that are encrypted and have
// MACs. Who says with which key or password the file was encrypted must not get keys that were not.
func TestRow22_NothingPlainInAnEncryptedFile(t *testing.T) {
	var file bytes.Buffer
	password := secret.New("a password")
	err := tokens.WritePSKC(&file, []tokens.Token{{Serial: "1", User: "alice", Device: directory.Device{
		Type: directory.TypeTOTP, Secret: secret.New("12345678901234567890"), Digits: 6, Period: 30, Algorithm: "SHA1",
	}}}, tokens.PSKCOptions{Password: password, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	const known = "<PlainValue>QUFBQUFBQUFBQUFBQUFBQUFBQUE=</PlainValue>"
	one := regexp.MustCompile(`(?s)<((?:\w+:)?)Secret>.*?</(?:\w+:)?Secret>`).ReplaceAllStringFunc(file.String(), func(s string) string {
		prefix, _, _ := strings.Cut(s[1:], "Secret>")
		return "<" + prefix + "Secret>" + strings.NewReplacer("<Plain", "<"+prefix+"Plain", "</Plain", "</"+prefix+"Plain").Replace(known) + "</" + prefix + "Secret>"
	})
	all := regexp.MustCompile(`(?s)<(?:\w+:)?(EncryptionKey|MACMethod)\b.*</(?:\w+:)?(EncryptionKey|MACMethod)>`).ReplaceAllString(one, "")
	for name, text := range map[string]string{"one key in the clear": one, "nothing encrypted any more": all} {
		if text == file.String() {
			t.Fatalf("%s: the file was not changed: %s", name, text)
		}
		got, problems := tokens.Read("pskc", strings.NewReader(text), tokens.Options{Password: password})
		if len(problems) == 0 {
			t.Errorf("%s: taken over with the key %q", name, got[0].Device.Secret.Reveal())
		}
	}
}

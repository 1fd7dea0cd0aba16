package tokens_test

import (
	"encoding/base64"
	"net/url"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"tandem/directory/tokens"
)

// account is the message OtpParameters as Google Authenticator writes it.
func account(name, issuer string, algorithm, digits, kind, counter uint64) []byte {
	var b []byte
	b = protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), []byte(raw))
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), name)
	b = protowire.AppendString(protowire.AppendTag(b, 3, protowire.BytesType), issuer)
	for i, n := range []uint64{algorithm, digits, kind, counter} {
		b = protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(4+i), protowire.VarintType), n)
	}
	return protowire.AppendString(protowire.AppendTag(b, 8, protowire.BytesType), "unique id") // of newer apps
}

// payload is the message MigrationPayload in the URI's parameter.
func payload(of, index, id uint64, accounts ...[]byte) string {
	var b []byte
	for _, a := range accounts {
		b = protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), a)
	}
	for i, n := range []uint64{2, of, index, id} {
		b = protowire.AppendVarint(protowire.AppendTag(b, protowire.Number(2+i), protowire.VarintType), n)
	}
	return url.QueryEscape(base64.StdEncoding.EncodeToString(b))
}

func migrationOf(_ testing.TB, of, index, kind uint64) string {
	return payload(of, index, 77, account("Big Corp: alice", "", 1, 1, kind, 0))
}

func TestMigration(t *testing.T) {
	const uri = "otpauth-migration://offline?data="
	negative := uint64(0xffffffffedcba987) // batch ids are random and may be below 0
	compare(t, "two batches", read(t, "otpauth", ""+
		uri+payload(2, 0, negative, account("Big Corp: alice", "", 1, 1, 2, 0), account("bob", "Small Corp", 3, 2, 1, 7))+"\n"+
		uri+payload(2, 1, negative, account("x:carol", "Corp", 2, 0, 2, 9))+"\n"+
		uri+payload(1, 0, 5, account("", "", 0, 0, 2, 0))+"\n", tokens.Options{User: "dave"}),
		"TOTP "+raw+" SHA1 6/30/0 user=alice serial= issuer=Big Corp line=1",
		"HOTP "+raw+" SHA512 8/0/7 user=bob serial= issuer=Small Corp line=1",
		"TOTP "+raw+" SHA256 6/30/0 user=carol serial= issuer=Corp line=2",
		"TOTP "+raw+" SHA1 6/30/0 user=dave serial= issuer= line=3",
	)
	refused(t, "otpauth", tokens.Options{}, map[string]problem{
		"no data":          {uri[:len(uri)-5], 1, "data", "one parameter"},
		"not base64":       {uri + "!", 1, "data", "not base64"},
		"cut off":          {uri + migrationOf(t, 1, 0, 2)[:40], 1, "data", "not all of it"},
		"MD5":              {uri + payload(1, 0, 1, account("a", "", 4, 1, 2, 0)), 1, "algorithm", "none of"},
		"digits":           {uri + payload(1, 0, 1, account("a", "", 1, 3, 2, 0)), 1, "digits", "neither"},
		"no type":          {uri + payload(1, 0, 1, account("a", "", 1, 1, 0, 0)), 1, "type", "neither"},
		"a batch missing":  {"\n" + uri + migrationOf(t, 2, 1, 2), 2, "batch", "number 1"},
		"too many batches": {uri + migrationOf(t, 100000, 1, 2), 1, "data", "not what"},
		"escape sequence":  {uri + payload(1, 0, 1, account("a\x1b[2J", "", 1, 1, 2, 0)), 1, "user", "printed"},
	})
}

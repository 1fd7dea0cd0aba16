package radiusd

import (
	"strings"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tandem/internal/secret"
	"tandem/radiusd/msgauth"
	"tandem/verify"
	"tandem/verify/policy"
)

// TestEnrolmentIsShownInReplyMessages: all that is needed, each piece within what an attribute holds, the key first of all.
func TestEnrolmentIsShownInReplyMessages(t *testing.T) {
	const key = "JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP"
	for name, message := range map[string]string{
		"a short text": "Enrol. ", "English": (&policy.Policy{}).TextsIn("en").Enrol, "German": (&policy.Policy{}).TextsIn("de").Enrol,
		"a text that fills an attribute": strings.Repeat("x", maxValue-1) + " ",
	} {
		for _, charset := range []Charset{UTF8, Latin1} {
			uri := "otpauth://totp/Tandem:alice?secret=" + strings.ReplaceAll(key, " ", "") + "&issuer=" + strings.Repeat("T", 300)
			v := verify.Verdict{
				Outcome: verify.Challenge, Message: message, State: []byte("state"), Lifetime: 120,
				Enrolment: &verify.Enrolment{Key: secret.New(key), URI: secret.New(uri), KeyLabel: "Key: ", Prompt: "Code: "},
			}
			request := &radius.Packet{Code: radius.CodeAccessRequest, Secret: []byte(testSecret)}
			raw, err := new(dictionary).encodeReply(request, v, &Client{Charset: charset, key: msgauth.NewKey([]byte(testSecret))})
			if err != nil {
				t.Fatal(err)
			}
			reply, err := radius.Parse(raw, []byte(testSecret))
			if err != nil {
				t.Fatal(err)
			}
			pieces, err := rfc2865.ReplyMessage_GetStrings(reply)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(pieces, "")
			if want := string(charset.encode(message + "Key: " + key + " " + uri + " Code: ")); all != want {
				t.Errorf("%s: %q", name, all)
			}
			if len(message) < 200 && !strings.Contains(pieces[0], key) {
				t.Errorf("%s: the key is not in the first piece, %q", name, pieces[0])
			}
		}
	}
}

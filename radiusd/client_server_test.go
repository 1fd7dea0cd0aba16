package radiusd

import (
	"context"
	"testing"

	"layeh.com/radius"
	"layeh.com/radius/rfc2869"

	"tandem/internal/secret"
	"tandem/radiusd/radiusclient"
	"tandem/verify"
)

// Both ends of ours, over a real socket: password, challenge, code.
func TestClientAndServerUnderstandEachOther(t *testing.T) {
	core := &fakeCore{decide: func(_ context.Context, state []byte, a verify.Attempt) verify.Verdict {
		if string(state) == "challenge" && a.Secret.Reveal() == "123456" {
			return verify.Verdict{Outcome: verify.Accept}
		}
		return verify.Verdict{Outcome: verify.Challenge, State: []byte("challenge"), Message: "Code: ", Echo: true, Lifetime: 60}
	}}
	_, addrs := start(t, core, nil)
	to := radiusclient.Config{Addr: addrs[0].String(), Secret: secret.New(testSecret), Retries: 2}

	asked, err := radiusclient.Exchange(t.Context(), to, radiusclient.Request{User: "alice", Password: secret.New("password")})
	if err != nil {
		t.Fatal(err)
	}
	if asked.Code != radius.CodeAccessChallenge || asked.Message != "Code: " || asked.Prompt != rfc2869.Prompt_Value_Echo || asked.Timeout.Seconds() != 60 {
		t.Errorf("the challenge is %+v", asked)
	}
	done, err := radiusclient.Exchange(t.Context(), to, radiusclient.Request{User: "alice", Password: secret.New("123456"), State: asked.State})
	if err != nil || done.Code != radius.CodeAccessAccept {
		t.Errorf("the answer got %+v (%v)", done, err)
	}
	if status, err := radiusclient.Status(t.Context(), to); err != nil || status.Code != radius.CodeAccessAccept {
		t.Errorf("Status-Server got %+v (%v)", status, err)
	}
}

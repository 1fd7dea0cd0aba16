package radiusd

import (
	"testing"

	"layeh.com/radius"

	"tandem/radiusd/msgauth"
	"tandem/verify"
)

// BenchmarkAuthenticate is what every packet of a known host costs before anything is remembered of it: its
// structure, and its Message-Authenticator.
func BenchmarkAuthenticate(b *testing.B) {
	raw := ask{password: "password123456"}.bytes(b)
	client := strict()
	b.ReportAllocs()
	for b.Loop() {
		p, reason := inspect(raw)
		if reason == "" {
			reason = authenticate(p, &client)
		}
		if reason != "" {
			b.Fatal(reason)
		}
	}
}

// BenchmarkAttempt is what a worker makes of an authentic request.
func BenchmarkAttempt(b *testing.B) {
	raw := ask{password: "password123456"}.bytes(b)
	client := strict()
	b.ReportAllocs()
	for b.Loop() {
		p, err := radius.Parse(raw, []byte(testSecret))
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := newAttempt(p, &client, fromStrict.Addr()); !ok {
			b.Fatal("there is no password in it")
		}
	}
}

// BenchmarkReply encodes and signs replies.
func BenchmarkReply(b *testing.B) {
	raw := ask{password: "password123456"}.bytes(b)
	request, err := radius.Parse(raw, []byte(testSecret))
	if err != nil {
		b.Fatal(err)
	}
	r := newIdleRig(b, &fakeCore{}, nil)
	client := strict()
	client.key = msgauth.NewKey([]byte(testSecret))
	for name, v := range map[string]verify.Verdict{
		"accept":    {Outcome: verify.Accept},
		"reject":    {Outcome: verify.Reject, Message: "Login failed."},
		"challenge": {Outcome: verify.Challenge, State: make([]byte, 32), Message: "Code: ", Lifetime: 120},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.attributes.encodeReply(request, v, &client); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

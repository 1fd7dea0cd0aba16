package radiusd

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"layeh.com/radius"
	"layeh.com/radius/rfc2865"

	"tandem/radiusd/msgauth"
	"tandem/verify"
)

// The bytes were computed with Python's hashlib and hmac from RFC 2865 §3 and RFC 2869 §5.14: secret
// testing123, Identifier 42, Request Authenticator 00 01 … 0f.
func TestReplyBytes(t *testing.T) {
	challenge := verify.Verdict{Outcome: verify.Challenge, State: []byte("state-of-64"), Message: "Code: ", Lifetime: 120}
	echoed := challenge
	echoed.Message, echoed.Echo = "Zahl für é: ", true

	for _, test := range []struct {
		name       string
		verdict    verify.Verdict
		charset    Charset
		proxyState []string
		want       string
	}{
		{"accept", verify.Verdict{Outcome: verify.Accept}, UTF8, nil, "022a0026c99a66470d64c04e45225a88cb91a410" + // header
			"50124f544e2831a50af05542d6f8a1ccabb5"}, // Message-Authenticator
		{"accept through proxies", verify.Verdict{Outcome: verify.Accept}, UTF8, []string{"one", "two"}, "022a0030067419c2f094dd06b63cb04899da48d1" +
			"5012b31711879e39dd378c5770b36798ebda" +
			"21056f6e65" + "210574776f"}, // Proxy-States
		{"reject", verify.Verdict{Outcome: verify.Reject, Message: "Login failed."}, UTF8, nil, "032a0035950f0da8cc64118fd9d6890a3f7541ee" +
			"5012df6354f2640d88bd8d02daa533b030d8" +
			"120f4c6f67696e206661696c65642e"}, // Reply-Message
		{"challenge", challenge, UTF8, []string{"p"}, "0b2a004a43d447d5da2dd16fc61061470f669889" +
			"50121ed0e6f28cfd3e32b393ce34858888cd" +
			"180d73746174652d6f662d3634" + "1208436f64653a20" + // State, Reply-Message
			"1b0600000078" + "4c0600000000" + "210370"}, // Session-Timeout, Prompt, Proxy-State
		{"challenge shown, latin-1", echoed, Latin1, nil, "0b2a004d434f455a27359d946a287e527f269fd0" +
			"501269b4f2e3b3ba689f919aacc11dfad96f" +
			"180d73746174652d6f662d3634" + "120e5a61686c2066fc7220e93a20" +
			"1b0600000078" + "4c0600000001"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request := &radius.Packet{Code: radius.CodeAccessRequest, Identifier: 42, Secret: []byte(testSecret)}
			for i := range request.Authenticator {
				request.Authenticator[i] = byte(i)
			}
			for _, value := range test.proxyState {
				request.Add(rfc2865.ProxyState_Type, radius.Attribute(value))
			}
			raw, err := new(dictionary).encodeReply(request, test.verdict, &Client{Charset: test.charset, key: msgauth.NewKey([]byte(testSecret))})
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(raw); got != test.want {
				t.Errorf("got\n%s, want\n%s", got, test.want)
			}
		})
	}
}

// An outcome that nobody has thought of is a no.
func TestOnlyAcceptIsAccept(t *testing.T) {
	for outcome := verify.Outcome(-2); outcome < 10; outcome++ {
		if got := replyCode(outcome); (got == radius.CodeAccessAccept) != (outcome == verify.Accept) {
			t.Errorf("outcome %d is %v on the wire", outcome, got)
		}
	}
}

func TestRow11_ProxyStatesComeBackInOrder(t *testing.T) {
	for _, outcome := range []verify.Outcome{verify.Accept, verify.Reject, verify.Challenge} {
		synctest.Test(t, func(t *testing.T) {
			b := newRig(t, always(verify.Verdict{Outcome: outcome, Message: "text", State: []byte("s")}), nil)
			a := ask{}
			var want []string
			for i := range 150 {
				value := fmt.Sprintf("proxy-%d\x00\xff", 1000-i)
				want = append(want, value)
				a.extra = append(a.extra, &radius.AVP{Type: rfc2865.ProxyState_Type, Attribute: []byte(value)})
			}
			raw := a.bytes(t)
			b.put(raw, fromStrict)
			time.Sleep(DefaultRejectDelay)
			p := wantCode(t, b.oneReply(), raw, replyCode(outcome))
			got, err := rfc2865.ProxyState_GetStrings(p)
			if err != nil || strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("%v: Proxy-States came back as %q (%v)", outcome, got, err)
			}
		})
	}
}

func TestRow11_ReplyBeyond4096OctetsIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, always(verify.Verdict{Outcome: verify.Challenge, State: make([]byte, 64), Message: strings.Repeat("m", 253)}), nil)
		a := ask{}
		for range 15 {
			a.extra = append(a.extra, &radius.AVP{Type: rfc2865.ProxyState_Type, Attribute: make([]byte, 253)})
		}
		b.put(a.bytes(t), fromStrict)
		b.noReply()
		b.wantCalls(1)
		b.wantDropped(dropReplyTooLarge, 1)

		a.id, a.extra = 1, a.extra[:10]
		raw := a.bytes(t)
		b.put(raw, fromStrict)
		wantCode(t, b.oneReply(), raw, radius.CodeAccessChallenge)
	})
}

func TestVerdictThatDoesNotFitIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newRig(t, always(verify.Verdict{Outcome: verify.Challenge, State: make([]byte, 254)}), nil)
		b.put(ask{}.bytes(t), fromStrict)
		b.noReply()
		b.wantDropped(dropReplyInvalid, 1)
	})
}

func TestLongMessagesAreSplitBetweenCharacters(t *testing.T) {
	for _, test := range []struct {
		charset Charset
		text    string
		want    []int // octets of each piece
	}{
		{UTF8, "", nil},
		{UTF8, strings.Repeat("a", 253), []int{253}},
		{UTF8, strings.Repeat("a", 254), []int{253, 1}},
		{UTF8, strings.Repeat("é", 130), []int{252, 8}},
		{UTF8, "a" + strings.Repeat("é", 130), []int{253, 8}},
		{UTF8, strings.Repeat("😀", 70), []int{252, 28}},
		{Latin1, strings.Repeat("é", 300), []int{253, 47}},
		{UTF8, strings.Repeat("\x80", 300), []int{249, 51}}, // not UTF-8 at all: cut somewhere
	} {
		encoded := test.charset.encode(test.text)
		var sizes []int
		var joined []byte
		for _, piece := range test.charset.split(encoded, maxValue) {
			sizes = append(sizes, len(piece))
			joined = append(joined, piece...)
			if test.charset == UTF8 && utf8.ValidString(test.text) && !utf8.Valid(piece) {
				t.Errorf("%.8q…: a character was cut", test.text)
			}
		}
		if fmt.Sprint(sizes) != fmt.Sprint(test.want) || string(joined) != string(encoded) {
			t.Errorf("%.8q…: pieces of %v octets, want %v", test.text, sizes, test.want)
		}
	}
}

func TestLatin1(t *testing.T) {
	if got := Latin1.decode("h\xe9\xff"); got != "héÿ" {
		t.Errorf("decoded %q", got)
	}
	if got := string(Latin1.encode("héÿ€😀")); got != "h\xe9\xff??" {
		t.Errorf("encoded %q", got)
	}
}

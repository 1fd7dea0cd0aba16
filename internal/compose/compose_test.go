package compose_test

import (
	"reflect"
	"testing"

	"tandem/internal/compose"
	"tandem/internal/config"
	"tandem/radiusd"
	"tandem/verify/policy"
)

// TestDefaultsAreTheSameEverywhere: the configuration's defaults and those of the rooms are one knowledge.
func TestDefaultsAreTheSameEverywhere(t *testing.T) {
	c := config.Default()
	want := policy.Policy{
		Name: "default", Mode: policy.Auto, FirstFactor: policy.FirstDirectory, NoDevice: policy.NoDeviceReject,
		Tries: policy.DefaultTries, LoginTimeout: policy.DefaultLoginTimeout,
		Factors: []string{}, Fallback: []string{}, EnforcedGroups: []string{}, ExemptGroups: []string{},
		Choose: policy.ChooseFirst, Second: policy.DemandRequired,
		WordDelimiter: policy.DefaultWordDelimiter, ResendWord: policy.DefaultResendWord,
		Texts: policy.Texts{
			Prompt: policy.DefaultPrompt, Retry: policy.DefaultRetry, Menu: policy.DefaultMenu, BadChoice: policy.DefaultBadChoice,
			Sent: policy.DefaultSent, Already: policy.DefaultAlready, TooSoon: policy.DefaultTooSoon,
			SendFailed: policy.DefaultSendFailed, Reject: policy.DefaultReject,
		},
	}
	setup, err := compose.Setup(c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := setup.Policies["default"]; got == nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("default policy %+v, want %+v", got, want)
	}
	r := compose.RADIUS(c, nil, nil)
	if r.Workers != radiusd.DefaultWorkers || r.Queue != radiusd.DefaultQueue || r.RequestTimeout != radiusd.DefaultRequestTimeout ||
		r.RejectDelay != radiusd.DefaultRejectDelay || r.ReplyCache != radiusd.DefaultReplyCache {
		t.Errorf("RADIUS defaults %+v", r)
	}
}

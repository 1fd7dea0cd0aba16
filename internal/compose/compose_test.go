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
		Name: "default", Mode: policy.Auto, FirstFactor: policy.FirstDirectory,
		Tries: policy.DefaultTries, LoginTimeout: policy.DefaultLoginTimeout,
		Factors: []string{}, Fallback: []string{}, EnforcedGroups: []string{}, ExemptGroups: []string{},
		Choose: policy.ChooseFirst, Second: policy.DemandRequired,
		WordDelimiter: policy.DefaultWordDelimiter, ResendWord: policy.DefaultResendWord,
		AllowedGroups: []string{}, FirstLevel: policy.DefaultFirstLevel, Language: policy.DefaultLanguage,
		Enrol: policy.EnrolOff, EnrolTimeout: policy.DefaultEnrolTimeout, SkipWord: policy.DefaultSkipWord,
	}
	setup, err := compose.Setup(c, nil, nil, nil)
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

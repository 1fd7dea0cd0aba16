package main

import (
	"testing"
	"time"

	"tandem/verify/policy"
)

// A policy that a reload has taken away stays until the last of its questions can no longer be answered, and one that asks
// somebody to enrol may stand longer than one that asks for a code.
func TestRetiredPoliciesOutliveTheirQuestions(t *testing.T) {
	policies := map[string]*policy.Policy{
		"short": {LoginTimeout: time.Minute, EnrolTimeout: 2 * time.Minute},
		"long":  {LoginTimeout: 90 * time.Second, EnrolTimeout: 10 * time.Minute},
	}
	if got := longest(policies); got != 10*time.Minute {
		t.Errorf("%v", got)
	}
	policies["long"].LoginTimeout = time.Hour
	if got := longest(policies); got != time.Hour {
		t.Errorf("%v", got)
	}
}

package external_test

import (
	"testing"

	"tandem/verify"
	"tandem/verify/external"
	"tandem/verify/factortest"
)

func TestRow24_SpellingsOfOneCode(t *testing.T) {
	yes := script(t, `exit 0`) // a service that does not mind case or dashes
	c, _ := newChecker(t, external.Config{Name: "svc", Validate: words(t, yes+" $code")})
	marks := &factortest.Kept{}
	f, err := c.Check(t.Context(), alice(), "abc-123", marks)
	if err != nil || f.Result != verify.Match {
		t.Fatal(f, err)
	}
	marks.Take(f)
	for _, again := range []string{"ABC-123", "abc123"} {
		if f, _ := c.Check(t.Context(), alice(), again, marks); f.Result == verify.Match {
			t.Errorf("%s is accepted after abc-123", again)
		}
	}
}

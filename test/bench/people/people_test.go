package people

import (
	"testing"
	"time"
)

func TestCodesAreRFC6238s(t *testing.T) {
	u := User{Secret: [20]byte([]byte("12345678901234567890"))}
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1234567890: "005924", 20000000000: "353130"} {
		if got := u.Code(Step(time.Unix(at, 0))); got != want {
			t.Errorf("at %d the code is %s, want %s", at, got, want)
		}
	}
	if u.WrongCode(1) == u.Code(1) || len(u.WrongCode(1)) != 6 {
		t.Error("the wrong code is none")
	}
}

func TestUsersFollowFromTheirNumbers(t *testing.T) {
	u := Get(7)
	if u != Get(7) || u == Get(8) || u.Name != "u00007" || len(u.Password) != 17 || len(u.Base32()) != 32 {
		t.Errorf("%+v", u)
	}
	if Get(123456).Name != "u123456" {
		t.Error(Get(123456).Name)
	}
}

func TestNobodyHasTwoTurnsInOneStep(t *testing.T) {
	now := time.Unix(3000, 0)
	turn := NewTurn(10)
	seen := map[int]bool{}
	for _, want := range []int{6, 4, 0} {
		got := turn.Next(now, 6)
		if len(got) != want {
			t.Fatalf("%d users were handed out, want %d", len(got), want)
		}
		for _, n := range got {
			if seen[n] || n < 1 || n > 10 {
				t.Errorf("user %d is handed out twice, or is nobody", n)
			}
			seen[n] = true
		}
	}
	now = now.Add(Period)
	if left, rest := turn.Left(now.Add(time.Second)); left != 10 || rest != Period-time.Second {
		t.Errorf("in the next step %d users are left for %v", left, rest)
	}
}

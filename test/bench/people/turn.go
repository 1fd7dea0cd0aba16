package people

import "time"

// Turn hands out users to one server, each at most once in a time step: a server that keeps RFC 6238 §5.2 takes a
// code once, and its next one only in the next step.
type Turn struct {
	users int
	next  int
	// given counts those that were handed out in step.
	given int
	step  uint64
}

// NewTurn begins with user 1 of so many.
func NewTurn(users int) *Turn { return &Turn{users: users} }

// Left is how many users have a code now that they have not used, and how much of the step is left.
func (t *Turn) Left(now time.Time) (users int, rest time.Duration) {
	t.see(now)
	return t.users - t.given, Period - time.Duration(now.UnixNano())%Period
}

// Next returns the numbers of up to n users who have not logged in in this step.
func (t *Turn) Next(now time.Time, n int) []int {
	t.see(now)
	n = min(n, t.users-t.given)
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = 1 + t.next
		t.next = (t.next + 1) % t.users
	}
	t.given += n
	return numbers
}

func (t *Turn) see(now time.Time) {
	if step := Step(now); step != t.step {
		t.step, t.given = step, 0
	}
}

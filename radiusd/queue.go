package radiusd

// queue holds requests that wait for a worker. Answers to challenges have a lane of their own which
// is served first: behind each stands a person who has already shown one factor, and a flood of first
// requests cannot push them out, because nobody else can make a State that looks like ours.
type queue struct {
	answers, others chan *request
}

// newQueue makes a queue with room for size requests in each lane.
func newQueue(size int) *queue {
	return &queue{answers: make(chan *request, size), others: make(chan *request, size)}
}

// put adds a request, unless its lane is full.
func (q *queue) put(r *request, answersChallenge bool) bool {
	lane := q.others
	if answersChallenge {
		lane = q.answers
	}
	select {
	case lane <- r:
		return true
	default:
		return false
	}
}

// next waits for a request; false when the queue is closed and empty.
func (q *queue) next() (*request, bool) {
	select {
	case r, ok := <-q.answers:
		if ok {
			return r, true
		}
	default:
	}
	// Either lane may be closed and empty while the other still holds requests.
	select {
	case r, ok := <-q.answers:
		if !ok {
			r, ok = <-q.others
		}
		return r, ok
	case r, ok := <-q.others:
		if !ok {
			r, ok = <-q.answers
		}
		return r, ok
	}
}

// close lets next return false once everything is taken. Nothing may be put afterwards.
func (q *queue) close() {
	close(q.answers)
	close(q.others)
}

// depth is how many requests wait.
func (q *queue) depth() int { return len(q.answers) + len(q.others) }

package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"tandem/directory"
)

// A person has one token and logs in with it everywhere at once: the owner, and those who have looked over the
// owner's shoulder.
type person struct {
	name   string
	token  *token
	estate *estate
	// challenged: the person is asked for password and code.
	challenged bool
	// random says where what is sent.
	random *rand.Rand
	// shown are the latest steps whose codes have been sent somewhere, the newest last.
	shown []uint64
	// silence: nobody has answered anything in the latest round.
	silence bool

	mu      sync.Mutex // guards what follows
	history *history
	counts  counts
}

// counts is what the clients have seen.
type counts struct {
	accepts, rejects, unknown int64
	// refused are fresh codes that everybody rejected, without any operation that might explain it.
	refused int64
	// challenges were opened; lost are those of them for which a right code was rejected everywhere.
	challenges, lost int64
}

func (c *counts) add(o counts) {
	c.accepts += o.accepts
	c.rejects += o.rejects
	c.unknown += o.unknown
	c.refused += o.refused
	c.challenges += o.challenges
	c.lost += o.lost
}

// answered is how many operations have a definite answer.
func (c counts) answered() int64 { return c.accepts + c.rejects + c.challenges }

func newPerson(name, kind string, challenged bool, e *estate) *person {
	return &person{
		name: name, token: newToken(kind, name), estate: e, challenged: challenged,
		random: rand.New(rand.NewPCG(uint64(len(e.people)), 7)), history: newHistory(),
	}
}

// A send is one copy of a code on its way to one place.
type send struct {
	step uint64
	node *node
	door door
}

// logIn plays one round.
func (p *person) logIn() error {
	if p.challenged {
		return p.answerTwice()
	}
	sends, fresh := p.plan()
	if fresh == none {
		time.Sleep(period / 50) // there is no hurry with what is old
	}
	round := make([]operation, len(sends))
	var all sync.WaitGroup
	for i, s := range sends {
		code := p.token.code(s.step)
		all.Go(func() { round[i] = p.send(s, code) })
	}
	all.Wait()
	p.silence = !slices.ContainsFunc(round, func(o operation) bool { return o.outcome == accepted || o.outcome == rejected })
	if fresh != none && refused(uint64(fresh), round) {
		p.count(counts{refused: 1})
	}
	return nil
}

// plan says what to send in a round: one fresh code (none: there is none now) to every door of every node, some
// older ones, and sometimes the next. After a silence the first thing that everybody hears is the code that was
// accepted last.
func (p *person) plan() (sends []send, fresh int64) {
	if last := p.lastAccepted(); p.silence && last != none {
		return p.everywhere(uint64(last)), none
	}
	fresh = none
	if step, found := p.token.press(time.Now()); found {
		fresh = int64(step)
		sends = p.everywhere(step)
		p.remember(step)
		if p.random.IntN(4) == 0 && p.token.device.Type == directory.TypeHOTP {
			next, _ := p.token.press(time.Now())
			sends = append(sends, p.somewhere(next))
			p.remember(next)
		}
	}
	for range 3 { // replays
		if len(p.shown) > 0 {
			sends = append(sends, p.somewhere(p.shown[p.random.IntN(len(p.shown))]))
		}
	}
	return sends, fresh
}

func (p *person) lastAccepted() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.history.highest()
}

func (p *person) everywhere(step uint64) (sends []send) {
	for _, n := range p.estate.nodes {
		for _, d := range doors {
			sends = append(sends, send{step, n, d})
		}
	}
	return sends
}

func (p *person) somewhere(step uint64) send {
	return send{step, p.estate.nodes[p.random.IntN(len(p.estate.nodes))], doors[p.random.IntN(len(doors))]}
}

// remember keeps the latest steps, as many as a HOTP token may be behind and be known for a replay.
func (p *person) remember(step uint64) {
	p.shown = append(p.shown, step)
	p.shown = p.shown[max(0, len(p.shown)-6):]
}

func (p *person) send(s send, code string) operation {
	sent := time.Since(p.estate.began)
	o := s.door.ask(s.node, p.name, home, code)
	return p.record(s.step, o, sent, s.node.name+" "+s.door.name)
}

// record writes one operation down.
func (p *person) record(step uint64, o outcome, sent time.Duration, where string) operation {
	op := operation{step: step, outcome: o, sent: sent, answered: time.Since(p.estate.began), where: where}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch o {
	case unasked:
		return op
	case accepted:
		p.counts.accepts++
	case rejected:
		p.counts.rejects++
	case unknown:
		p.counts.unknown++
	}
	p.history.operations = append(p.history.operations, op)
	return op
}

func (p *person) count(c counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.add(c)
}

// refused reports whether a fresh code was rejected at each place, although nothing else in the round could have
// used it up: no operation without an answer, and no answer to a request that was sent again.
func refused(step uint64, round []operation) bool {
	asked := false
	for _, o := range round {
		if o.step >= step && (o.outcome == accepted || o.outcome == unknown) || o.answered-o.sent >= nasTimeout {
			return false
		}
		asked = asked || o.step == step && o.outcome == rejected
	}
	return asked
}

// answerTwice opens a challenge on one node and answers it on two others at once, with two right codes. One is
// accepted, unless a fault came between.
func (p *person) answerTwice() error {
	anyNode := func() *node { return p.estate.nodes[p.random.IntN(len(p.estate.nodes))] }
	state := openChallenge(anyNode(), p.name)
	if state == nil {
		return nil
	}
	p.count(counts{challenges: 1})
	var answers [2]operation
	var both sync.WaitGroup
	for i := range answers {
		step, _ := p.token.press(time.Now())
		code, n := p.token.code(step), anyNode()
		both.Go(func() {
			sent := time.Since(p.estate.began)
			answers[i] = p.record(step, answerChallenge(n, p.name, code, state), sent, n.name+" challenge")
		})
	}
	both.Wait()
	switch one, other := answers[0].outcome, answers[1].outcome; {
	case one == accepted && other == accepted:
		return errors.New("one challenge was answered twice, and both answers were accepted")
	case one == rejected && other == rejected:
		p.count(counts{lost: 1})
	}
	return nil
}

// check judges what was done since the last check.
func (p *person) check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.history.check(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

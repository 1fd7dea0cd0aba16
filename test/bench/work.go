package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"tandem/test/bench/load"
	"tandem/test/bench/peer"
	"tandem/test/bench/people"
	"tandem/test/bench/proc"
)

// work is what is asked of a server in one measurement.
type work struct {
	// outstanding logins in the closed loop, or rate a second in the open one.
	outstanding int
	rate        float64
	// times makes the rate a multiple of what the line called of has reached.
	times float64
	of    string
	// credential is what people type.
	credential credential
	resend     time.Duration
	sockets    int
	// known: every user has logged in once in the time step before.
	known bool
	// lossy: that some logins get no answer is no surprise.
	lossy bool
	// slow: every 50th user has the slow factor, and their times are left out.
	slow bool
}

// credential is a kind of credential.
type credential int

const (
	right credential = iota
	wrongCode
	wrongPassword
	codeAlone
	twoSteps // the password first, and the code for the challenge
)

// closed is the usual work.
func closed() work { return work{outstanding: 64} }

func (w work) login(number int, step uint64) load.Login {
	u := people.Get(number)
	l := load.Login{Name: u.Name, Aside: w.slow && peer.Slow(number)}
	switch w.credential {
	case right:
		l.Password = u.Password + u.Code(step)
	case wrongCode:
		l.Password = u.Password + u.WrongCode(step)
	case wrongPassword:
		l.Password = "Not." + u.Password[4:] + u.Code(step)
	case codeAlone:
		l.Password = u.Code(step)
	case twoSteps:
		l.Password, l.Answer = u.Password, u.Code(step)
	}
	return l
}

// expected reports what is wrong with a result, if it is not what such work has to give; "" if nothing is.
func (w work) expected(r load.Result) string {
	want, got := r.Answered(), r.Accepted
	if w.credential == wrongCode || w.credential == wrongPassword {
		got = r.Rejected
	}
	switch {
	case r.Forged > 0:
		return fmt.Sprintf("%d answers were not authentic", r.Forged)
	case got != want:
		return fmt.Sprintf("%d answers of %d were not what they should be", want-got, want)
	case r.Lost > 0 && !w.lossy:
		return fmt.Sprintf("%d of %d logins got no answer", r.Lost, r.Sent)
	case r.Answered() == 0:
		return "nothing was answered"
	}
	return ""
}

// Measurement is one measurement of one line.
type Measurement struct {
	// LoginsPerSecond counts those that were answered.
	LoginsPerSecond float64
	// CPU of the server, and of the directory or store beside it, in microseconds a login.
	ServerMicros, BesideMicros float64
	// Milliseconds from request to answer; of two round trips, both.
	P50, P95, P99, P999 float64
	// Others is how much of the server's core was somebody else's, in percent; the kernel's share of the network counts.
	Others float64
	// Late is how far the open loop was behind, in milliseconds, p99.
	Late float64
	// MiB of the server, at the end and at most.
	RSS, PeakRSS float64

	Sent, Accepted, Rejected, Challenged, Lost, Resent, Duplicates, Forged, Unsigned int
	// Odd says what is not as it should be.
	Odd string `json:",omitempty"`
}

// spare is how much of a time step is left unused at its end, so that every code arrives while it is current:
// rlm_totp takes no other.
const spare = time.Second

// measureOnce measures a server. reached is the rate of the closed loop before, or 0.
func (b *bench) measureOnce(ctx context.Context, s *subject, w work, reached float64) (Measurement, error) {
	if w.times > 0 {
		w.rate = w.times * reached
	}
	// A short closed loop says how many requests to prepare, and warms everything up.
	estimate := w.rate
	if w.rate == 0 {
		warm, err := b.load(ctx, s, w, 40*max(w.outstanding, 4), b.settings.duration/4)
		if err != nil {
			return Measurement{}, err
		}
		estimate = 1.4*warm.Rate() + 100
	}
	wanted := int(estimate * b.settings.duration.Seconds())
	if w.known {
		if err := b.logInAll(ctx, s, w); err != nil {
			return Measurement{}, err
		}
	}
	if err := b.turn(ctx, s, wanted); err != nil {
		return Measurement{}, err
	}

	busy, err := b.busy()
	if err != nil {
		return Measurement{}, err
	}
	before, beside, err := s.cpu()
	if err != nil {
		return Measurement{}, err
	}
	began := time.Now()
	r, err := b.load(ctx, s, w, wanted, b.settings.duration)
	if err != nil {
		return Measurement{}, err
	}
	after, besideAfter, err := s.cpu()
	if err != nil {
		return Measurement{}, err
	}
	took := time.Since(began)
	busyAfter, err := b.busy()
	if err != nil {
		return Measurement{}, err
	}
	rss, peak, err := s.server.Memory()
	if err != nil {
		return Measurement{}, err
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(max(1, r.Answered())) }
	return Measurement{
		LoginsPerSecond: r.Rate(), ServerMicros: per(after - before), BesideMicros: per(besideAfter - beside),
		P50: ms(r.Percentile(50)), P95: ms(r.Percentile(95)), P99: ms(r.Percentile(99)), P999: ms(r.Percentile(99.9)),
		Others: 100 * max(0, (busyAfter-busy-(after-before)).Seconds()/took.Seconds()),
		Late:   ms(r.Late), RSS: float64(rss) / (1 << 20), PeakRSS: float64(peak) / (1 << 20),
		Sent: r.Sent, Accepted: r.Accepted, Rejected: r.Rejected, Challenged: r.Challenged, Lost: r.Lost,
		Resent: r.Resent, Duplicates: r.Duplicates, Forged: r.Forged, Unsigned: r.Unsigned,
		Odd: w.expected(r),
	}, nil
}

// logInAll has every user log in, and waits for the next time step.
func (b *bench) logInAll(ctx context.Context, s *subject, w work) error {
	if err := b.nextStep(ctx, s); err != nil {
		return err
	}
	if _, err := b.load(ctx, s, w, s.total, people.Period/2); err != nil {
		return err
	}
	return b.nextStep(ctx, s)
}

// nextStep waits for the next time step.
func (b *bench) nextStep(ctx context.Context, s *subject) error {
	_, rest := s.users.Left(time.Now())
	select {
	case <-time.After(rest + 10*time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// busy is for how long the server's core has been busy.
func (b *bench) busy() (time.Duration, error) {
	if b.place.ServerCore < 0 {
		return 0, nil
	}
	return proc.CoreBusy(b.place.ServerCore)
}

// turn waits for the next time step if this one has too few users, or too little time, for so many logins.
func (b *bench) turn(ctx context.Context, s *subject, wanted int) error {
	// Preparing takes some 10 µs a request.
	need := b.settings.duration + time.Duration(wanted)*10*time.Microsecond + spare
	left, rest := s.users.Left(time.Now())
	if left >= min(wanted, s.total*3/4) && rest >= need {
		return nil
	}
	return b.nextStep(ctx, s)
}

// load runs up to so many logins.
func (b *bench) load(ctx context.Context, s *subject, w work, logins int, length time.Duration) (load.Result, error) {
	if err := b.turn(ctx, s, logins); err != nil {
		return load.Result{}, err
	}
	now := time.Now()
	step := people.Step(now)
	job := load.Job{
		Server: s.server.Addr, Secret: peer.Secret, Outstanding: w.outstanding, Rate: w.rate, Length: length,
		Sockets: w.sockets, Resend: w.resend,
	}
	for _, number := range s.users.Next(now, logins) {
		job.Logins = append(job.Logins, w.login(number, step))
	}
	run, err := load.Prepare(job)
	if err != nil {
		return load.Result{}, err
	}
	runtime.GC() // not while it runs
	result, err := run.Go(ctx)
	if err == nil {
		err = s.server.Running()
	}
	return result, err
}

// subject is a server that is measured, and what stands beside it.
type subject struct {
	server *peer.Server
	beside []*proc.Process
	users  *people.Turn
	total  int
}

// cpu is what has been used so far, by the server and beside it.
func (s *subject) cpu() (server, beside time.Duration, err error) {
	if server, err = s.server.CPU(); err != nil {
		return 0, 0, err
	}
	for _, p := range s.beside {
		used, err := p.CPU()
		if err != nil {
			return 0, 0, err
		}
		beside += used
	}
	return server, beside, nil
}

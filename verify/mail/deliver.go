package mail

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// refusal is a server's definite answer that it does not take this mail. It says nothing about other mails.
type refusal struct {
	why string
	// forGood: no other server will take it either (RFC 5321 §4.2.1).
	forGood bool
}

func (r *refusal) Error() string { return r.why }

func isRefusal(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// serviceGone is the reply of a server that takes no mails at all at the moment (RFC 5321 §4.2.3).
const serviceGone = 421

// refusalIn makes a refusal of err if it is one: a reply of 4xx or 5xx once the server was to take this recipient or
// this text. What it replies earlier, to the sender or the login, it would to all mails.
func refusalIn(err error) error {
	var failed *gomail.SendError
	if !errors.As(err, &failed) {
		return err
	}
	about := failed.Reason == gomail.ErrSMTPRcptTo || failed.Reason == gomail.ErrSMTPData || failed.Reason == gomail.ErrSMTPDataClose
	if code := failed.ErrorCode(); about && code >= 400 && code < 600 && code != serviceGone {
		return &refusal{why: err.Error(), forGood: code >= 500}
	}
	return err
}

// deliver tries the servers in turn, beginning with the one that took the last mail, until one takes m or says that
// nobody will. Each has an equal share of the time that is left, so that one that hangs leaves some to the next.
func (f *Factor) deliver(ctx context.Context, to address, m *gomail.Msg) error {
	first := int(f.working.Load())
	var failures []string
	var refused *refusal
	for i := range f.servers {
		at := (first + i) % len(f.servers)
		err := f.try(ctx, at, len(f.servers)-i, to, m)
		if err == nil {
			f.working.Store(int64(at))
			return nil
		}
		failures = append(failures, fmt.Sprintf("%s: %v", f.servers[at], err))
		if errors.As(err, &refused) && refused.forGood || ctx.Err() != nil {
			break
		}
	}
	why := strings.Join(failures, "; ")
	if refused != nil {
		return &refusal{why: why}
	}
	return errors.New(why)
}

// try lets one server have a try, in the time left divided by the number of servers left.
func (f *Factor) try(ctx context.Context, at, left int, to address, m *gomail.Msg) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return f.servers[at].send(ctx, to, m)
}

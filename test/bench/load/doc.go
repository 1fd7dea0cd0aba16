// Package load asks a RADIUS server for logins as fast as it answers (closed loop), or at a rate that does not wait
// for answers (open loop), and counts what comes back.
//
// Everything is prepared before the clock starts: sockets are open, and the requests are encoded and signed. While
// it runs, a login costs the load's side one message of a sendmmsg, one of a recvmmsg, and the two digests that prove
// its answer. Nothing is believed that is not proven: an answer counts only if its Response Authenticator (RFC 2865
// §3) and, where there is one, its Message-Authenticator (RFC 2869 §5.14) are right.
//
//	run, err := load.Prepare(load.Job{Server: at, Secret: "…", Logins: logins, Outstanding: 64, Length: 2 * time.Second})
//	…
//	result, err := run.Go(ctx)
package load

// Package radiusd is the RADIUS front door: it turns packets into attempts for the verification core
// and the core's verdicts into replies. It decides nothing: no password and no code is compared here.
//
// A packet's way, cheapest check first (receive.go):
//
//	client by source address → structure → code → Message-Authenticator → reply cache → queue
//	→ worker: attributes to [verify.Attempt] → [Core] → reply → (reject delay) → reply cache → wire
//
// What each step owes to which standard:
//
//   - RFC 2865: the packets. Attributes are read and written with layeh.com/radius; the transport is
//     our own, because a retransmitted one-time code must not be checked twice.
//   - RFC 2869 §5.14 and CVE-2024-3596: Message-Authenticator is verified whenever it is there, is
//     demanded unless the client is configured otherwise, and stands first in every reply.
//   - RFC 5080 §2.2.2: a repeated request gets the same bytes again. While the first copy is still
//     being decided or its reply is held back, the repetition is dropped.
//   - RFC 5997: Status-Server asks whether the core could decide right now.
//
// A packet that is malformed, forged or from an unknown host gets no answer, but a counter. The same
// silence tells the NAS to fail over when nobody can decide ([verify.Unavailable]).
//
// What not to do: give a client a secret shorter than about 16 random characters (User-Password and
// Message-Authenticator are only as good as it is), or let RADIUS over UDP cross a network that others read.
package radiusd

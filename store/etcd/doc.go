// Package etcd keeps Tandem's state in an etcd cluster that several nodes share.
//
// # What an acknowledged Update is worth
//
// The function of an [Store.Update] reads one consistent state: its first Get is linearizable (a majority of
// the members confirms it), the further ones read at that one's revision. What it writes is buffered. The
// commit is a single etcd transaction: if every key that was read is still at the revision it was read at, put
// and delete everything, else nothing. etcd answers after a majority has it on disk. If another transaction,
// of this node or another, was faster, the function runs again on the new state.
//
// So any two Updates behave as if one had run wholly before the other, on whatever nodes, and a code that was
// accepted is accepted by nobody again.
//
// # Unknown results
//
// A commit that was sent and not answered may have happened, may not have, or may yet happen. Update then
// returns [store.ErrUnavailable] and nobody is let in. It is never sent again: if the first one had
// happened, the second would find the code used, by itself, and worse, a write that decides nothing by reading
// would happen twice, the second time over what others wrote in between. If the lost commit did happen the
// code counts as used, and the user waits for the next one.
//
// The client library must not send it again either, and by default it does: its retry interceptor repeats
// even a transaction whose status is Canceled or DeadlineExceeded while the caller's context lives, which a
// member's own deadline or a reset stream can be. So the library is told to try everything once, and what may
// be repeated (reads, leases) is repeated here. What gRPC itself repeats are only requests that never left, or
// that the member says it has not looked at.
//
// To make unknown results rare, a commit is sent only to a member that has just answered a read.
//
// # Members that fail
//
// Each endpoint has a connection of its own, and one member is asked at a time: the first in the configured
// order, until it fails. A read that gets no answer within a quarter of [Options.Timeout] goes to the next. So
// a member that hangs costs one quarter, once, while the library's own balancer would send it every third
// request until a keepalive, at best ten seconds later, finds it dead.
//
// A node that reaches only a minority gets no linearizable read: Update, View and Check all fail, nobody is
// let in, and it heals by itself.
//
// # Expiry
//
// Records with a time to live hang on etcd's leases, so no node's clock has a say. A lease for each record
// would be expensive; records whose ttl is about the same share one for a short while, see the leases type for
// the arithmetic. A record is never removed early. It may be seen late, by at most 3 s or 10 % of its ttl,
// whichever is more; and a change of etcd's leader begins every lease anew, because etcd's followers do not
// know how much of it had passed.
//
// # Layout
//
// Below a prefix (default "tandem/"):
//
//	meta/schema    the version of this layout and the time it was made
//	records/KEY    a record: a checksum and the value
//
// meta/schema is written once, by the first node. Every commit also compares it, so that a node notices when
// the state is replaced below it by a restored or migrated one, and stops.
package etcd

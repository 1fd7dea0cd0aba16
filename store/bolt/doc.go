// Package bolt keeps Tandem's state in one bbolt file on one host.
//
// # What an acknowledged Update is worth
//
// [DB.Update] returns nil only after the transaction is on stable storage: bbolt writes the
// changed pages to places that nothing refers to yet, and one of two meta pages (in turn) that
// refers to them; then one sync puts all of it on the disk. bbolt by itself would sync twice, first
// the pages and then the meta page, so that the newer meta page always has a whole tree below it.
// Here it may have a torn one, if the power fails before the sync has returned. Opening the file
// finds that out, because it checks everything (below), and each commit writes its number beside the
// sum of all records: a page that the disk never wrote shows itself even if it holds an older state
// that is whole. A torn commit that the witness does not know to be acknowledged is undone: the older
// meta page becomes the newest again, and of its tree nothing was written over yet. One that was
// acknowledged is damage, and the file is refused. Migrations, and what is said of the state as a
// whole, are commits of two syncs: of an older schema nobody can tell whether its last commit is torn.
//
// The price: after a power cut the witness may be behind. If the same disk has then also lost what it
// said was synced, of the very last commit, that looks like a torn one, and is undone with a warning
// in the log. Damage to anything older is refused as ever.
//
// A sync for every login would be slow, so one goroutine, the committer, takes whatever
// Updates are waiting and commits them as one group. While one commit is under way the next group
// gathers by itself; if a crowd came, it waits once more as long for others. Updates with time
// ([store.Unhurried]) wait for others, or for somebody who has none. The sync of a small group is
// asynchronous, which leaves the processor to others (see asyncSync). Within a group the functions
// run one after the other. Each writes into a buffer that is applied only if it returns nil, so one that
// fails undoes nobody else's work; and all of the group hear the outcome only after the commit,
// because what they read may be what their neighbours wrote.
//
// # After a failure
//
// A commit that failed is neither there nor not there. A failed fsync is the worst kind: Linux
// reports it once, drops what it could not write, and the next fsync says that all is well. So
// after any failed commit, any panic inside bbolt and any page that cannot be read, the store is
// stopped: everything is refused with the first cause. The first Update, View or Check that
// comes at least a second later closes the file and opens it again with all the checks of a
// start, so that a full disk heals when there is space again.
//
// Why opening again is safe: the pages of a transaction whose meta page was not written are
// reachable from nowhere, and whoever takes their place writes them anew, whole. There is one
// trap. If the sync failed (or the process was killed before it), the page cache shows a state that
// the disk does not have, and may never get: Linux takes what it failed to write for written. bbolt
// would build upon it and overwrite pages which the disk's state, one transaction older, still needs:
// a power cut then loses acknowledged records. So opening always writes what the last commit wrote
// again, as it is, and syncs it, before anything is built upon it.
//
// # What is checked
//
// The file must be a regular file of ours with mode 0600, locked by nobody else. Its structure is
// checked page by page before bbolt maps it, because bbolt trusts what it reads: a broken page
// makes it panic, loop, or read outside the map. Both meta pages must be sound: bbolt alone would
// fall back to the older one in silence and so forget a transaction. Then every record's checksum
// is checked, a sum over all of them (none is missing, none is older than the others), the expiry
// index, and the number of the commit. A file that fails is never replaced: that would make every
// code used lately usable again. The error says what to do.
//
// # Layout
//
// Three buckets:
//
//	about    the schema's version, what the state says of itself, the sum of the contents, the commit's number
//	records  key → record: a checksum, an expiry, the value
//	expiry   an expiry (Unix nanoseconds, 8 bytes, big-endian) and a key → nothing
//
// Each commit removes some records that have expired.
package bolt

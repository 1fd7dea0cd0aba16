package pamhelper

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"

	"tandem/internal/unixsock"
)

// peer is the process at the other end, as the kernel vouches for it.
type peer struct {
	uid uint32
	pid int32
}

func peerOf(conn *net.UnixConn) (peer, error) {
	cred, err := unixsock.Peer(conn)
	return peer{uid: cred.Uid, pid: cred.Pid}, err
}

// trusted: what this process says of the world (who it is about, from where, after which first factor)
// is believed. Root could become anybody anyway, and our own user could be us.
func (p peer) trusted() bool { return p.uid == 0 || int(p.uid) == os.Geteuid() }

// mayAskAbout reports, as an error, that p may not start a login of that user. Who is not trusted may ask
// only about itself, as a screen locker does: others it could guess at, lock out, or annoy with messages.
func (p peer) mayAskAbout(name string, nameOf func(uid uint32) (string, error)) error {
	if p.trusted() {
		return nil
	}
	own, err := nameOf(p.uid)
	if err != nil {
		return fmt.Errorf("who is user id %d: %w", p.uid, err)
	}
	if own != name {
		return fmt.Errorf("%s (user id %d) asked about %q: only root may ask about others", own, p.uid, name)
	}
	return nil
}

// lookupName asks the operating system for the name of a user id.
func lookupName(uid uint32) (string, error) {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return "", err
	}
	return u.Username, nil
}

package admin

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Client is the command's side of the socket.
type Client struct {
	conn *net.UnixConn
	in   *bufio.Reader
}

// Dial connects to the daemon. It refuses a socket that neither root nor the caller owns, or on which
// somebody else listens: a password may go over it.
func Dial(path string) (*Client, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("tandemd does not run (there is no admin socket %s): start it, or name its configuration with --config", path)
	case err != nil:
		return nil, fmt.Errorf("admin socket: %w", err)
	case info.Mode().Type() != os.ModeSocket:
		return nil, fmt.Errorf("admin socket %s: not a socket", path)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	switch {
	case errors.Is(err, unix.EACCES):
		return nil, fmt.Errorf("admin socket %s: %w: run this as root or as the user that tandemd runs as", path, err)
	case err != nil:
		return nil, fmt.Errorf("admin socket %s: %w: tandemd does not run", path, err)
	}
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("admin socket %s: %w", path, err)
	}
	peer, err := peerOf(conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if peer.Uid != stat.Uid && peer.Uid != 0 {
		_ = conn.Close()
		return nil, fmt.Errorf("admin socket %s: it belongs to user id %d, but user id %d listens: not trusted", path, stat.Uid, peer.Uid)
	}
	return &Client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// Do sends r and hands each reply to each, up to the last. each's answer is sent when a reply asks for
// one (Reply.Prompt). A Reply.Error is Do's error.
func (c *Client) Do(r Request, each func(Reply) (answer string, err error)) (last Reply, err error) {
	if err := writeLine(c.conn, r); err != nil {
		return Reply{}, fmt.Errorf("ask tandemd: %w", err)
	}
	for {
		var reply Reply
		if err := readLine(c.in, &reply); err != nil {
			return Reply{}, fmt.Errorf("tandemd's answer: %w", err)
		}
		if reply.Error != "" {
			return reply, errors.New(reply.Error)
		}
		if reply.Done {
			return reply, nil
		}
		if each == nil {
			continue
		}
		answer, err := each(reply)
		if err != nil {
			return Reply{}, err
		}
		if reply.Prompt != "" {
			if err := writeLine(c.conn, Request{Op: r.Op, Secret: answer}); err != nil {
				return Reply{}, fmt.Errorf("answer tandemd: %w", err)
			}
		}
	}
}

// Close ends the conversation.
func (c *Client) Close() error { return c.conn.Close() }

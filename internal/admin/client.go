package admin

import (
	"bufio"
	"errors"
	"fmt"
	"net"

	"tandem/internal/unixsock"
)

// Client is the command's side of the socket.
type Client struct {
	conn *net.UnixConn
	in   *bufio.Reader
}

// Dial connects to the daemon.
func Dial(path string) (*Client, error) {
	conn, err := unixsock.Dial(path)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return &Client{conn: conn, in: bufio.NewReader(conn)}, nil
}

// Do sends r and hands each reply to each, up to the last. each's answer is sent when a reply asks for
// one (Reply.Prompt). A Reply.Error is Do's error, and the Reply is returned beside it.
func (c *Client) Do(r Request, each func(Reply) (answer string, err error)) (last Reply, err error) {
	if err := writeLine(c.conn, r); err != nil {
		return Reply{}, fmt.Errorf("ask tandemd: %w", err)
	}
	for {
		var reply Reply
		if err := readLine(c.in, maxReply, &reply); err != nil {
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

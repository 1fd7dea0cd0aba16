package pamhelper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"tandem/internal/unixsock"
	"tandem/verify"
)

// askTime bounds a question without a person in it.
const askTime = 30 * time.Second

// Dial connects to the door of this host's tandemd.
func Dial(path string) (*net.UnixConn, error) {
	conn, err := unixsock.Dial(path)
	if err != nil {
		return nil, fmt.Errorf("PAM: %w", err)
	}
	return conn, nil
}

// Ask puts one attempt to the door on conn, whose secret must be all that is wanted: nobody is there to
// answer a prompt. in is whether the user may come in; an error means that nothing is known.
func Ask(conn *net.UnixConn, a verify.Attempt) (in bool, err error) {
	_ = conn.SetDeadline(time.Now().Add(askTime))
	var hello []byte
	for _, kv := range [][2]string{
		{"version", protocolMajor},
		{"action", "authenticate"},
		{"user", a.User},
		{"service", a.Service},
		{"rhost", a.Source},
		{"uid", strconv.Itoa(os.Getuid())},
		{"policy", a.Policy},
		{"authtok", a.Secret.Reveal()},
		{"use_first_pass", "1"},
	} {
		if strings.ContainsRune(kv[1], 0) {
			return false, fmt.Errorf("the %s holds a NUL", kv[0])
		}
		hello = append(hello, kv[0]+"="+kv[1]+"\x00"...)
	}
	if err := writeFrame(conn, frameHello, hello); err != nil {
		return false, fmt.Errorf("ask tandemd: %w", err)
	}
	for {
		t, payload, err := readFrame(conn)
		if err != nil {
			return false, fmt.Errorf("tandemd's answer: %w", err)
		}
		switch t {
		case frameResult:
			if len(payload) != 4 {
				return false, fmt.Errorf("%w: a result of %d octets", errProtocol, len(payload))
			}
			switch c := code(binary.BigEndian.Uint32(payload)); c {
			case pamSuccess:
				return true, nil
			case pamAuthErr, pamMaxtries:
				return false, nil
			default:
				return false, fmt.Errorf("tandemd cannot decide (%v)", c)
			}
		case framePrompt, framePromptEcho:
			return false, errors.Join(errors.New("a code is wanted, and nobody can be asked: it belongs behind the password"),
				writeFrame(conn, frameConversationError, nil))
		default: // texts for a person
		}
	}
}

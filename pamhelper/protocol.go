// Package pamhelper is the PAM front door: the other side of the PAM module pam_tandem.so.
//
// A [Server] listens on a unix socket that the module of any login on the host connects to; where no
// daemon runs, a helper program that the module has started has the same conversation on its standard
// input with [Door.Converse]. Either way one conversation is one login: the module says who wants what
// (hello), the door has it ask for password and code as the core demands, and ends it with a result. The
// door compares no password and no code.
//
// docs/pam-protocol.md describes the frames. The module believes nothing but a result frame, so that
// whatever goes wrong here denies. Which denial it is matters where an admin's stack lets people in
// while the daemon is down: PAM_AUTHINFO_UNAVAIL is kept for what no user can bring about; see [codeOf].
package pamhelper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// frameType is the first octet of a frame.
type frameType byte

// The frames of the module, and those of the server.
const (
	frameHello             frameType = 0x01
	frameAnswer            frameType = 0x02
	frameConversationError frameType = 0x03

	framePrompt         frameType = 0x81 // what is typed is not shown
	framePromptEcho     frameType = 0x82
	frameErrorText      frameType = 0x84
	frameSetAuthtok     frameType = 0x85
	framePutEnvironment frameType = 0x86
	frameSyslog         frameType = 0x88
	frameResult         frameType = 0x89
)

const (
	frameHeader = 5
	// frameLimit: a payload is shorter, in octets.
	frameLimit = 16 << 10
)

// code is a result: one of the PAM return codes of Linux (security/_pam_types.h) that the module believes.
type code uint32

const (
	pamSuccess         code = 0
	pamAuthErr         code = 7
	pamAuthinfoUnavail code = 9
	pamMaxtries        code = 11
	pamIgnore          code = 25
)

func (c code) String() string {
	switch c {
	case pamSuccess:
		return "PAM_SUCCESS"
	case pamAuthErr:
		return "PAM_AUTH_ERR"
	case pamAuthinfoUnavail:
		return "PAM_AUTHINFO_UNAVAIL"
	case pamMaxtries:
		return "PAM_MAXTRIES"
	case pamIgnore:
		return "PAM_IGNORE"
	}
	return fmt.Sprintf("PAM code %d", uint32(c))
}

// PAM's flags that the door cares for.
const pamSilent = 0x8000

// errProtocol marks what no module of ours sends.
var errProtocol = errors.New("not the protocol of pam_tandem")

// readFrame reads one frame. At a clean end it returns io.EOF, within a frame io.ErrUnexpectedEOF.
func readFrame(r io.Reader) (frameType, []byte, error) {
	var header [frameHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(header[1:])
	if n >= frameLimit {
		return 0, nil, fmt.Errorf("%w: a frame of %d octets", errProtocol, n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return frameType(header[0]), payload, nil
}

// writeFrame writes one frame in one call, so that a reader seldom sees half of it.
func writeFrame(w io.Writer, t frameType, payload []byte) error {
	if len(payload) >= frameLimit {
		return fmt.Errorf("frame %#x: %d octets are too many", byte(t), len(payload))
	}
	frame := make([]byte, frameHeader, frameHeader+len(payload))
	frame[0] = byte(t)
	binary.BigEndian.PutUint32(frame[1:], uint32(len(payload)))
	_, err := w.Write(append(frame, payload...))
	return err
}

package pamhelper

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tandem/internal/secret"
)

// protocolMajor is the version that both sides must have in common. A new minor version may add keys to
// the hello, which an older server ignores.
const protocolMajor = "1"

// What a hello says that has no timeout, and the longest one it may have. The module's options.
const (
	defaultTimeout = time.Minute
	maxTimeout     = 10 * time.Minute
)

// hello is the module's first frame: who wants what, and the module's options.
type hello struct {
	user, service, rhost, tty, ruser string
	// uid is the real user id of the module's process: under sudo, whoever called it. For the log.
	uid   string
	flags uint32
	// authInfo is SSH_AUTH_INFO_0: a line for each method that sshd has been satisfied with before.
	authInfo string

	policy, prompt, codePrompt string
	echoCode, nullok           bool
	tryFirstPass, useFirstPass bool
	forwardPass                bool
	// longestPrompt is how many octets of a prompt the module shows, with line breaks; 0: one line of 511.
	longestPrompt int
	// timeout is how long the module gives the whole conversation.
	timeout time.Duration
	// authtok is what an earlier module of the stack asked for; hasAuthtok: there is one.
	authtok    secret.String
	hasAuthtok bool
}

func (h *hello) silent() bool { return h.flags&pamSilent != 0 }

// versionError: the module speaks another version of the protocol.
type versionError string

func (e versionError) Error() string {
	return fmt.Sprintf("the module speaks version %.16q of the protocol, this server version %s: install both from one release", string(e), protocolMajor)
}

// parseHello reads a hello's payload: strings "key=value", each ended by a NUL. PAM's values are C
// strings, so that a value can hold anything else. Unknown keys are ignored.
func parseHello(payload []byte) (*hello, error) {
	values, err := splitHello(payload)
	if err != nil {
		return nil, err
	}
	if major, _, _ := strings.Cut(values["version"], "."); major != protocolMajor {
		return nil, versionError(values["version"])
	}
	if action := values["action"]; action != "authenticate" {
		return nil, fmt.Errorf("%w: a hello for the action %.32q", errProtocol, action)
	}
	h := &hello{
		user: values["user"], service: values["service"], rhost: values["rhost"], tty: values["tty"], ruser: values["ruser"],
		uid: values["uid"], authInfo: values["ssh_auth_info"],
		policy: values["policy"], prompt: values["prompt"], codePrompt: values["code_prompt"],
		timeout: defaultTimeout,
	}
	if token, ok := values["authtok"]; ok {
		h.authtok, h.hasAuthtok = secret.New(token), true
	}
	for key, flag := range map[string]*bool{
		"echo_code": &h.echoCode, "nullok": &h.nullok, "try_first_pass": &h.tryFirstPass,
		"use_first_pass": &h.useFirstPass, "forward_pass": &h.forwardPass,
	} {
		value, ok := values[key]
		if ok && value != "1" {
			return nil, fmt.Errorf("%w: a hello with %s that is not 1", errProtocol, key)
		}
		*flag = ok
	}
	if text, ok := values["flags"]; ok {
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%w: a hello with bad flags", errProtocol)
		}
		h.flags = uint32(n)
	}
	if text, ok := values["longest_prompt"]; ok {
		n, err := strconv.ParseUint(text, 10, 16)
		if h.longestPrompt = min(int(n), frameLimit-1); err != nil {
			return nil, fmt.Errorf("%w: a hello with a bad longest_prompt", errProtocol)
		}
	}
	if text, ok := values["timeout"]; ok {
		n, err := strconv.ParseUint(text, 10, 16)
		if h.timeout = time.Duration(n) * time.Second; err != nil || n == 0 || h.timeout > maxTimeout {
			return nil, fmt.Errorf("%w: a hello with a bad timeout", errProtocol)
		}
	}
	return h, nil
}

func splitHello(payload []byte) (map[string]string, error) {
	values := make(map[string]string)
	for len(payload) > 0 {
		line, rest, ended := bytes.Cut(payload, []byte{0})
		key, value, ok := bytes.Cut(line, []byte{'='})
		if !ended || !ok || len(key) == 0 {
			return nil, fmt.Errorf("%w: a hello that is not of key=value strings", errProtocol)
		}
		if _, twice := values[string(key)]; twice {
			return nil, fmt.Errorf("%w: a hello that says %.32q twice", errProtocol, key)
		}
		values[string(key)] = string(value)
		payload = rest
	}
	return values, nil
}

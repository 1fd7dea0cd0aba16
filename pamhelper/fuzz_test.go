package pamhelper

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func FuzzFrame(f *testing.F) {
	for _, seed := range []string{
		"", "\x02\x00\x00\x00\x00", "\x02\x00\x00\x00\x05right", "\x01\x00\x00\x40\x00", "\x01\xff\xff\xff\xff", "\x02\x00\x00\x00\x05rig", "\x03\x00\x00\x00\x04\x00\x00\x00\x13",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		kind, payload, err := readFrame(r)
		switch {
		case err == nil:
			var again bytes.Buffer
			if err := writeFrame(&again, kind, payload); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.Bytes(), data[:len(data)-r.Len()]) {
				t.Fatalf("%q became %q", data, again.Bytes())
			}
		case len(data) == 0:
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
		case !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errProtocol):
			t.Fatal(err)
		}
	})
}

func FuzzHello(f *testing.F) {
	for _, seed := range []string{
		goodHello("user=alice"),
		goodHello("user=alice", "service=sshd", "rhost=192.0.2.1", "ssh_auth_info=publickey k\n", "flags=32769", "timeout=60", "nullok=1", "authtok=a=b"),
		goodHello("future=1", "user="), "version=2.0\x00action=authenticate\x00", goodHello("user=a", "user=b"), "x", "\x00", "=\x00",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const password = "correct-horse-battery"
		if _, err := parseHello(append([]byte("authtok="+password+"\x00"), data...)); err != nil && strings.Contains(err.Error(), password) {
			t.Fatalf("an error that shows a password: %v", err)
		}
		h, err := parseHello(data)
		if err != nil {
			return
		}
		if h.timeout <= 0 || h.timeout > maxTimeout || strings.ContainsRune(h.user, 0) {
			t.Fatalf("%+v", h)
		}
		if h.hasAuthtok != bytes.Contains(append([]byte{0}, data...), []byte("\x00authtok=")) {
			t.Fatalf("a password lost or made up: %q", data)
		}
	})
}

// goodHello encodes a hello with these lines.
func goodHello(lines ...string) string {
	return strings.Join(append([]string{"version=" + protocolMajor + ".0", "action=authenticate"}, lines...), "\x00") + "\x00"
}

func TestHello(t *testing.T) {
	h, err := parseHello([]byte(goodHello("user=a=b\n", "service=sshd", "flags=32768", "timeout=5", "nullok=1", "authtok=", "future=x")))
	if err != nil || h.user != "a=b\n" || h.service != "sshd" || !h.silent() || !h.nullok || h.echoCode || !h.hasAuthtok || !h.authtok.Empty() || h.timeout.Seconds() != 5 {
		t.Fatalf("%+v, %v", h, err)
	}
	for name, payload := range map[string]string{
		"twice": goodHello("user=a", "user=b"), "no NUL at the end": goodHello("user=a") + "tty=x", "no =": goodHello("user"), "no key": goodHello("=x"),
		"a flag that is not 1": goodHello("nullok=0"), "flags": goodHello("flags=-1"), "timeout": goodHello("timeout=0"), "long timeout": goodHello("timeout=601"),
		"another action": "version=1.0\x00action=chauthtok\x00", "no action": "version=1.0\x00", "nothing": "",
	} {
		if _, err := parseHello([]byte(payload)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, version := range []string{"0.9", "2", "2.0", "10.0", "", "1x"} {
		var other versionError
		if _, err := parseHello([]byte("version=" + version + "\x00action=authenticate\x00")); !errors.As(err, &other) {
			t.Errorf("version %q: %v", version, err)
		}
	}
}

package module_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/msteinert/pam/v2"
	"golang.org/x/sys/unix"
)

// frame encodes one frame.
func frame(kind byte, payload string) string {
	return string(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload)))) + payload
}

func number(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// result encodes a result frame.
func result(code uint32) string { return frame(0x89, number(code)) }

// readFrame reads a frame of the module.
func readFrame(conn net.Conn) (kind byte, payload []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, binary.BigEndian.Uint32(header[1:]))
	_, err = io.ReadFull(conn, payload)
	return header[0], payload, err
}

// says is a server that takes the hello, says its words and hangs up.
func says(words ...string) func(net.Conn) {
	return func(conn net.Conn) {
		if kind, _, err := readFrame(conn); err != nil || kind != 1 {
			return
		}
		_, _ = io.WriteString(conn, strings.Join(words, ""))
	}
}

// TestRow40_OnlyAResultFrameIsBelieved: whatever else a server says, or does not say, is "unavailable".
func TestRow40_OnlyAResultFrameIsBelieved(t *testing.T) {
	for name, words := range map[string]string{
		"nothing":                           "",
		"half a header":                     "\x89\x00",
		"a header":                          "\x89\x00\x00\x00\x04",
		"half a result":                     "\x89\x00\x00\x00\x04\x00\x00",
		"a result that is too short":        frame(0x89, "\x00\x00\x00"),
		"a result that is too long":         frame(0x89, "\x00\x00\x00\x00\x00"),
		"an empty result":                   frame(0x89, ""),
		"garbage":                           strings.Repeat("\xff", 100),
		"text":                              "HTTP/1.1 200 OK\r\n\r\n",
		"an unknown frame":                  frame(0x8a, "") + result(0),
		"type 0":                            frame(0, "") + result(0),
		"the module's own frames":           frame(1, "") + result(0),
		"an answer":                         frame(2, "x") + result(0),
		"a conversation error":              frame(3, number(19)) + result(0),
		"an oversized frame":                "\x83\x00\x00\x40\x00" + strings.Repeat("x", 16384) + result(0),
		"a frame of 4 GiB":                  "\x83\xff\xff\xff\xff" + result(0),
		"a frame that is cut off":           "\x83\x00\x00\x10\x00abc",
		"too many frames":                   strings.Repeat(frame(0x88, "\x07x"), 64) + result(0),
		"a log line without a priority":     frame(0x88, "") + result(0),
		"a log line of a wild priority":     frame(0x88, "\xffx") + result(0),
		"a fail delay that is no number":    frame(0x87, "12345") + result(0),
		"a password that is not wanted":     frame(0x85, "x") + result(0),
		"a variable outside the name space": frame(0x86, "LD_PRELOAD=/tmp/x") + result(0),
		"a variable without a value":        frame(0x86, "TANDEM_X") + result(0),
		"a variable with a NUL":             frame(0x86, "TANDEM_X=a\x00b") + result(0),
		"too many variables":                strings.Repeat(frame(0x86, "TANDEM_X="+strings.Repeat("x", 500)), 5) + result(0),
		"PAM_USER_UNKNOWN":                  result(10),
		"PAM_NEW_AUTHTOK_REQD":              result(12),
		"PAM_IGNORE without nullok":         result(25),
		"a code of no PAM":                  result(200),
		"a negative code":                   result(0xffffffff),
		"a code that is 0 in 8 bits":        result(0x100),
		"a code that is 0 in 16 bits":       result(0x10000),
	} {
		t.Run(name, func(t *testing.T) {
			code, heard := application{stack: tandemLine(pretend(t, says(words)), "timeout=20")}.login(t)
			want(t, code, pam.ErrAuthinfoUnavail)
			if len(heard) != 0 {
				t.Errorf("heard %q", heard)
			}
		})
	}
	// The same words with their fault mended, to see that nothing else was to blame.
	code, _ := application{stack: tandemLine(pretend(t, says(
		frame(0x88, "\x07x"), frame(0x87, number(0)), frame(0x85, "x"), frame(0x86, "TANDEM_X=y"), result(0),
	)), "forward_pass")}.login(t)
	want(t, code, success)
}

// TestRow40_NoDaemon: where nobody listens, nobody gets in.
func TestRow40_NoDaemon(t *testing.T) {
	dir := folder(t)
	dead := filepath.Join(dir, "dead.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: dead, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	for name, line := range map[string]string{
		"no socket":           "auth required MODULE socket=" + filepath.Join(dir, "none.sock"),
		"nobody listens":      "auth required MODULE socket=" + dead,
		"no folder":           "auth required MODULE socket=/nowhere/at/all.sock",
		"a relative path":     "auth required MODULE socket=pam.sock",
		"dots in the path":    "auth required MODULE socket=" + dir + "/../" + filepath.Base(dir) + "/dead.sock",
		"a path that is long": "auth required MODULE socket=/tmp/" + strings.Repeat("x", 200),
		"a folder":            "auth required MODULE socket=/tmp/",
		"no helper":           "auth required MODULE helper=" + filepath.Join(dir, "none"),
		"a relative helper":   "auth required MODULE helper=none",
	} {
		t.Run(name, func(t *testing.T) {
			code, heard := application{stack: []string{line}, answers: []string{"right", "123456"}}.login(t)
			want(t, code, pam.ErrAuthinfoUnavail)
			if len(heard) != 0 {
				t.Errorf("heard %q", heard)
			}
		})
	}
}

// TestRow40_OptionsNotUnderstood: a line of pam.d with a mistake lets nobody in, even if everything else is right.
func TestRow40_OptionsNotUnderstood(t *testing.T) {
	path := serve(t, &fakeCore{})
	for _, options := range []string{
		"nullok", "sockett=/x", "Debug", "policy=", "policy", "nullok=1", "timeout=0", "timeout=1x", "timeout= 1", "timeout=-1", "timeout=601",
		"timeout=99999999999999999999", "helper=/bin/true", "try_first_pass use_first_pass",
	} {
		wanted := pam.ErrAuthinfoUnavail
		if options == "nullok" { // the line without a mistake
			wanted = success
		}
		code, heard := application{stack: tandemLine(path, options), answers: []string{"right", "123456"}}.login(t)
		if want(t, code, wanted); wanted != success && len(heard) != 0 {
			t.Errorf("%s: heard %q", options, heard)
		}
	}
}

// TestRow40_NullokAlone: PAM_IGNORE passes only where the admin's line says nullok.
func TestRow40_NullokAlone(t *testing.T) {
	path := pretend(t, says(result(25)))
	line := "auth [success=ok ignore=1 default=die] MODULE socket=" + path
	code, _ := application{stack: []string{line, "auth required PROBE", "auth required PROBE"}}.login(t)
	want(t, code, pam.ErrAuthinfoUnavail)
	code, heard := application{stack: []string{line + " nullok", "auth required PROBE", "auth required PROBE"}}.login(t)
	want(t, code, success)
	if len(heard) != 1 {
		t.Errorf("not ignored: %q", heard)
	}
}

// TestRow40_HangingServer: the deadline holds over the whole exchange, however busy the server looks.
func TestRow40_HangingServer(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for name, server := range map[string]func(net.Conn){
		"says nothing": func(net.Conn) { <-release },
		"slow loris": func(conn net.Conn) {
			for _, b := range []byte(strings.Repeat(frame(0x88, "\x07x"), 100)) {
				select {
				case <-release:
					return
				case <-time.After(100 * time.Millisecond):
				}
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := pretend(t, server)
			began := time.Now()
			code, _ := application{stack: tandemLine(path, "timeout=1")}.login(t)
			want(t, code, pam.ErrAuthinfoUnavail)
			if took := time.Since(began); took < 900*time.Millisecond || took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
			release <- struct{}{}
		})
	}
}

// TestRow40_UsersCannotMakeTheServerLookDead: PAM_AUTHINFO_UNAVAIL may let somebody in, so slow typing, an
// aborted prompt and a long answer are not that.
func TestRow40_UsersCannotMakeTheServerLookDead(t *testing.T) {
	core := &fakeCore{}
	path := serve(t, core)
	long := strings.Repeat("x", 5000)
	for name, a := range map[string]application{
		"aborted": {stack: tandemLine(path, "")},
		"slow": {stack: tandemLine(path, "timeout=1"), converse: func(pam.Style, string) (string, error) {
			time.Sleep(1100 * time.Millisecond)
			return "right", nil
		}},
		"late, but not too late for the server": {stack: tandemLine(path, "timeout=2"), converse: func(pam.Style, string) (string, error) {
			time.Sleep(1700 * time.Millisecond)
			return "right", nil
		}},
		"a long answer": {stack: tandemLine(path, ""), answers: []string{long}},
		"a long name":   {stack: tandemLine(path, ""), user: long},
		"a long password from before": {
			stack: append([]string{"auth required PROBE long"}, tandemLine(path, "use_first_pass")...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _ := a.login(t)
			want(t, code, pam.ErrAuth)
		})
	}
	t.Cleanup(func() {
		if len(core.seen()) != 0 {
			t.Errorf("the core was asked: %+v", core.seen())
		}
	})
}

// TestRow41_SocketOfSomebodyElse: no hello, and so no password, goes to a socket that somebody else could
// have put there.
func TestRow41_SocketOfSomebodyElse(t *testing.T) {
	needRoot(t)
	asked := make(chan struct{}, 100)
	impostor := func(conn net.Conn) {
		if _, _, err := readFrame(conn); err == nil {
			asked <- struct{}{}
			_, _ = io.WriteString(conn, result(0))
		}
	}
	for name, tc := range map[string]struct {
		prepare func(dir, path string) error
		as      int
		trusted bool
	}{
		"all right":                       {trusted: true},
		"all right, as an ordinary user":  {as: nobody, trusted: true},
		"the service's own folder":        {prepare: func(dir, path string) error { return errors.Join(os.Lchown(dir, 70, 70), os.Lchown(path, 70, 70)) }, trusted: true},
		"root's socket in the service's":  {prepare: func(dir, _ string) error { return os.Lchown(dir, 70, 70) }, trusted: true},
		"another's socket":                {prepare: func(_, path string) error { return os.Lchown(path, 70, 70) }},
		"a third one's socket":            {prepare: func(dir, path string) error { return errors.Join(os.Lchown(dir, 71, 71), os.Lchown(path, 70, 70)) }},
		"a folder that all may write to":  {prepare: func(dir, _ string) error { return os.Chmod(dir, 0o777) }},
		"a folder like /tmp":              {prepare: func(dir, _ string) error { return os.Chmod(dir, 0o777|os.ModeSticky) }},
		"a folder that a group may write": {prepare: func(dir, _ string) error { return os.Chmod(dir, 0o775) }},
		"a symbolic link": {prepare: func(dir, path string) error {
			return errors.Join(os.Rename(path, dir+"/real"), os.Symlink(dir+"/real", path))
		}},
		"a file":                               {prepare: func(_, path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) }},
		"a folder above that is another's":     {prepare: func(dir, _ string) error { return os.Lchown(filepath.Dir(dir), 70, 70) }},
		"a folder above that all may write to": {prepare: func(dir, _ string) error { return os.Chmod(filepath.Dir(dir), 0o777) }},
		"another's folder in one like /tmp": {prepare: func(dir, _ string) error {
			return errors.Join(os.Chmod(filepath.Dir(dir), 0o777|os.ModeSticky), os.Lchown(dir, 70, 70))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(folder(t), "run")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "pam.sock")
			pretendAt(t, path, impostor)
			if tc.prepare != nil {
				if err := tc.prepare(dir, path); err != nil {
					t.Fatal(err)
				}
			}
			var code pam.Error
			login := func() { code, _ = application{stack: tandemLine(path, "")}.login(t) }
			if tc.as != 0 {
				as(t, tc.as, login)
			} else {
				login()
			}
			if tc.trusted {
				want(t, code, success)
				<-asked
				return
			}
			want(t, code, pam.ErrAuthinfoUnavail)
			if len(asked) != 0 {
				t.Error("it was told who logs in")
				<-asked
			}
		})
	}
}

// TestRow41_ListenerOfSomebodyElse: the socket is root's, but who listens on it is not.
func TestRow41_ListenerOfSomebodyElse(t *testing.T) {
	needRoot(t)
	dir := folder(t)
	path := filepath.Join(dir, "pam.sock")
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	as(t, nobody, func() { pretendAt(t, path, says(result(0))) }) // the kernel remembers who called listen(2)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Lchown(path, 0, 0)); err != nil {
		t.Fatal(err)
	}
	code, _ := application{stack: tandemLine(path, "")}.login(t)
	want(t, code, pam.ErrAuthinfoUnavail)
}

// TestRow41_UsersAskOnlyAboutThemselves: the server looks at who asks.
func TestRow41_UsersAskOnlyAboutThemselves(t *testing.T) {
	needRoot(t)
	core := &fakeCore{}
	path := serve(t, core)
	as(t, nobody, func() {
		code, heard := application{stack: tandemLine(path, ""), user: "alice", answers: []string{"right", "123456"}}.login(t)
		want(t, code, pam.ErrAuthinfoUnavail)
		if len(heard) != 0 || len(core.seen()) != 0 {
			t.Errorf("heard %q, the core %d attempts", heard, len(core.seen()))
		}
		code, _ = application{
			stack: tandemLine(path, ""), user: "nobody", answers: []string{"right", "123456"},
			items: map[pam.Item]string{pam.Rhost: "192.0.2.1"}, env: []string{"SSH_AUTH_INFO_0=publickey x"},
		}.login(t)
		want(t, code, success)
	})
	if a := core.seen()[0]; a.Source != "" || a.FirstFactorDone {
		t.Errorf("an ordinary user's word was taken: %+v", a)
	}
	as(t, nobody+1, func() { // a user id without a name
		code, _ := application{stack: tandemLine(path, ""), user: "nobody"}.login(t)
		want(t, code, pam.ErrAuthinfoUnavail)
	})
}

// TestRow42_ConversationAborted: no answer denies, the server hears of it, and nobody counts a guess.
func TestRow42_ConversationAborted(t *testing.T) {
	for prompts := range 2 {
		heard := make(chan string, 1)
		path := pretend(t, func(conn net.Conn) {
			_, _, _ = readFrame(conn)
			for range prompts {
				_, _ = io.WriteString(conn, frame(0x81, "Password: "))
				_, _, _ = readFrame(conn)
			}
			_, _ = io.WriteString(conn, frame(0x82, "Code: "))
			kind, payload, err := readFrame(conn)
			if err == nil {
				heard <- frame(kind, string(payload))
			} else {
				heard <- err.Error()
			}
		})
		code, _ := application{stack: tandemLine(path, ""), answers: slices.Repeat([]string{"x"}, prompts)}.login(t)
		want(t, code, pam.ErrAuth)
		if got, wanted := <-heard, frame(3, number(uint32(pam.ErrConv))); got != wanted {
			t.Errorf("the server heard %q", got)
		}
	}
	core := &fakeCore{}
	code, heard := application{stack: tandemLine(serve(t, core), ""), answers: []string{"right"}}.login(t)
	want(t, code, pam.ErrAuth)
	if len(heard) != 2 || len(core.seen()) != 1 {
		t.Errorf("heard %q, the core %d attempts", heard, len(core.seen()))
	}
}

// TestRow42_EmptyAndOddAnswers reach the core as they are: it is the one that judges.
func TestRow42_EmptyAndOddAnswers(t *testing.T) {
	for _, odd := range []string{"", "\b\n\r\x7fINCORRECT", "\xff\xfe", strings.Repeat("x", 1024)} {
		core := &fakeCore{}
		code, _ := application{stack: tandemLine(serve(t, core), ""), answers: []string{odd}}.login(t)
		want(t, code, pam.ErrAuth)
		if got := core.seen()[0].Secret.Reveal(); got != odd {
			t.Errorf("%q became %q", odd, got)
		}
	}
}

// TestTextsAreFitForTerminals: what a server sends cannot drive the user's terminal.
func TestTextsAreFitForTerminals(t *testing.T) {
	for text, shown := range map[string]string{
		"Code: ":                        "Code: ",
		"Überraschung ✓ 𝄞":              "Überraschung ✓ 𝄞",
		"a\x1b[2Jb\r\nc\x00d\te\x7f":    "a?[2Jb??c?d?e?",
		"C1 \u009b31m, bare \x9b31m":    "C1 ?31m, bare ?31m",
		"cut off \xe2\x9c":              "cut off ??",
		strings.Repeat("x", 600):        strings.Repeat("x", 511),
		strings.Repeat("x", 510) + "éé": strings.Repeat("x", 510),
	} {
		_, heard := application{stack: tandemLine(pretend(t, says(frame(0x83, text), frame(0x84, text), result(0))), ""), answers: []string{"x"}}.login(t)
		if !slices.Equal(heard, told{"i " + shown, "e " + shown}) {
			t.Errorf("%q is shown as %q", text, heard)
		}
	}
	// A prompt may have several lines, such as those of a QR code, and no other control character.
	picture := strings.Repeat(strings.Repeat("█", 50)+"\n", 50)
	for text, shown := range map[string]string{
		"Code: ":                        "Code: ",
		"Überraschung ✓ 𝄞":              "Überraschung ✓ 𝄞",
		"a\x1b[2Jb\r\nc\x00d\te\x7f\n":  "a?[2Jb?\nc?d?e?\n",
		"C1 \u009b31m, bare \x9b31m\n":  "C1 ?31m, bare ?31m\n",
		picture + "Code: ":              picture + "Code: ",
		strings.Repeat("x", 9000):       strings.Repeat("x", 8191),
		strings.Repeat("x", 8190) + "é": strings.Repeat("x", 8190),
	} {
		_, heard := application{stack: tandemLine(pretend(t, says(frame(0x81, text), result(0))), ""), answers: []string{"x"}}.login(t)
		if !slices.Equal(heard, told{"?" + shown}) {
			t.Errorf("%q is shown as %q", text, heard)
		}
	}
}

// TestHello: what the module says of a login, byte for byte.
func TestHello(t *testing.T) {
	heard := make(chan []byte, 1)
	path := pretend(t, func(conn net.Conn) {
		_, payload, _ := readFrame(conn)
		heard <- payload
		_, _ = io.WriteString(conn, result(0))
	})
	code, _ := application{
		stack: append([]string{"auth required PROBE set=before"}, tandemLine(path, "policy=p [prompt=a b] [code_prompt=c=d] echo_code nullok try_first_pass forward_pass timeout=9 debug")...),
		flags: pam.DisallowNullAuthtok, env: []string{"SSH_AUTH_INFO_0=publickey k\n", "OTHER=1"},
		items: map[pam.Item]string{pam.Rhost: strings.Repeat("h", 300), pam.Tty: "tty1", pam.Ruser: "bob"},
	}.login(t)
	want(t, code, success)
	wanted := strings.Join([]string{
		"version=1.1", "action=authenticate", "longest_prompt=8191", "user=alice", "service=app", "rhost=" + strings.Repeat("h", 255), "tty=tty1", "ruser=bob",
		"uid=" + strconv.Itoa(os.Getuid()), "flags=1", "ssh_auth_info=publickey k\n", "policy=p", "prompt=a b", "code_prompt=c=d", "echo_code=1", "nullok=1",
		"try_first_pass=1", "forward_pass=1", "timeout=9", "authtok=before", "",
	}, "\x00")
	if got := <-heard; !bytes.Equal(got, []byte(wanted)) {
		t.Errorf("hello\n%q\nnot\n%q", got, wanted)
	}
}

// TestVariables: they arrive, and only at success.
func TestVariables(t *testing.T) {
	for code, wanted := range map[uint32]string{0: "y", 7: ""} {
		var heard told
		tx := application{stack: tandemLine(pretend(t, says(frame(0x86, "TANDEM_X=y"), result(code))), "")}.begin(t, &heard)
		_ = tx.Authenticate(0)
		if got := tx.GetEnv("TANDEM_X"); got != wanted {
			t.Errorf("after result %d TANDEM_X is %q", code, got)
		}
		_ = tx.End()
	}
}

// TestNoDescriptorIsLeft: sshd and screen lockers live long.
func TestNoDescriptorIsLeft(t *testing.T) {
	path := serve(t, &fakeCore{})
	login := func() {
		_, _ = application{stack: tandemLine(path, ""), answers: []string{"right", "123456"}}.login(t)
		_, _ = application{stack: tandemLine(path+"x", "")}.login(t)
	}
	login() // syslog(3) keeps one
	open := func() (n int) {
		for fd := range 1024 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				n++
			}
		}
		return n
	}
	before := open()
	for range 20 {
		login()
	}
	if after := open(); after > before+5 { // the server's side closes in its own time
		t.Errorf("%d descriptors were open, now %d", before, after)
	}
}

package module_test

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/msteinert/pam/v2"

	"tandem/test/pause"
)

// stoppable is an application that, as sudo does, notices that it goes on after a stop.
const stoppable = `
#include <security/pam_appl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void goes_on(int signal) { (void)signal; }
static int answer(int n, const struct pam_message **m, struct pam_response **r, void *data)
{
	(void)m, (void)data;
	*r = calloc((size_t)n, sizeof **r);
	(*r)[0].resp = strdup("wrong");
	return PAM_SUCCESS;
}
int main(int argc, char **argv)
{
	struct pam_conv conv = {answer, NULL};
	struct sigaction action = {.sa_handler = goes_on};
	pam_handle_t *pamh;
	sigaction(SIGCONT, &action, NULL);
	if (argc != 2 || pam_start_confdir("app", "alice", &conv, argv[1], &pamh) != PAM_SUCCESS)
		return 1;
	printf("result %d\n", pam_authenticate(pamh, 0));
	return 0;
}
`

// TestRow40_StoppedWhileTheAnswerComes: who stops the application (Ctrl-Z) until the module's time is over does not
// turn the no that has come meanwhile into a server out of reach.
func TestRow40_StoppedWhileTheAnswerComes(t *testing.T) {
	answered, stopped := make(chan struct{}), make(chan struct{})
	path := pretend(t, func(c net.Conn) {
		_, _, _ = readFrame(c)
		_, _ = c.Write([]byte(frame(0x81, "Password: ")))
		_, _, _ = readFrame(c)
		close(answered)
		<-stopped
		_, _ = c.Write([]byte(result(7)))
	})
	dir := service(t, tandemLine(path, "timeout=1")...)
	app := filepath.Join(folder(t), "app")
	if err := os.WriteFile(app+".c", []byte(stoppable), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := compile(app, app+".c", "-lpam"); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(app, dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-answered
	if err := pause.Process(c.Process); err != nil {
		t.Error(err)
	}
	close(stopped)
	time.Sleep(1100 * time.Millisecond) // the time that the module has
	_ = c.Process.Signal(syscall.SIGCONT)
	lines := bufio.NewScanner(out)
	lines.Scan()
	if got := lines.Text(); got != "result 7" {
		t.Errorf("%q, want result 7 (PAM_AUTH_ERR)", got)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestRow40_NameThatIsAskedForSlowly: where the application asks for the name, nobody waits for the module meanwhile.
func TestRow40_NameThatIsAskedForSlowly(t *testing.T) {
	connected := make(chan struct{}, 1)
	path := pretend(t, func(c net.Conn) {
		connected <- struct{}{}
		_, _, _ = readFrame(c)
		_, _ = c.Write([]byte(result(7)))
	})
	dir := service(t, tandemLine(path, "")...)
	tx, err := pam.StartConfDir("app", "", pam.ConversationFunc(func(_ pam.Style, text string) (string, error) {
		if !strings.Contains(strings.ToLower(text), "login") {
			t.Errorf("asked %q", text)
		}
		select {
		case <-connected:
			t.Error("the module has connected before it knows the name")
		case <-time.After(300 * time.Millisecond):
		}
		return "alice", nil
	}), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.End() }()
	if got := codeOf(t, tx.Authenticate(0)); got != 7 {
		t.Errorf("result %d", got)
	}
}

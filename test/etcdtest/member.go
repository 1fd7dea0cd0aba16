package etcdtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"tandem/test/pause"
)

// A member is one etcd process and its folder.
type member struct {
	name string
	// client and peer are the host:port on which it listens.
	client, peer string
	folder, path string
	args         []string

	process *exec.Cmd     // nil while it does not run
	ended   chan struct{} // closed when process has ended
}

func (m *member) start() error {
	log, err := os.OpenFile(filepath.Join(m.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(m.path, m.args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // ETCD_… of the machine's own etcd say nothing here
	cmd.Stdout, cmd.Stderr = log, log
	// A test binary that is killed takes its members along. (The signal comes when the thread ends that
	// started the process; Go ends threads only with goroutines that have locked them.)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	m.process, m.ended = cmd, make(chan struct{})
	go func(ended chan<- struct{}) { // ends with the process, which kill ends
		_ = cmd.Wait()
		close(ended)
	}(m.ended)
	return nil
}

// kill ends the process, paused or not. Killing a dead one does nothing.
func (m *member) kill() {
	if m.process == nil {
		return
	}
	_ = m.process.Process.Kill()
	<-m.ended
	m.process = nil
}

func (m *member) gone() bool {
	select {
	case <-m.ended:
		return true
	default:
		return false
	}
}

func (m *member) pause(t testing.TB) {
	t.Helper()
	m.running(t)
	if err := pause.Process(m.process.Process); err != nil {
		t.Fatalf("%s: %v", m.name, err)
	}
}

func (m *member) resume(t testing.TB) {
	t.Helper()
	m.running(t)
	if err := m.process.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("resume %s: %v", m.name, err)
	}
}

func (m *member) running(t testing.TB) {
	t.Helper()
	if m.process == nil {
		t.Fatalf("%s does not run: it cannot be paused or resumed", m.name)
	}
}

// tail is the end of the log.
func (m *member) tail() string {
	b, _ := os.ReadFile(filepath.Join(m.folder, "log"))
	lines := bytes.Split(b, []byte("\n"))
	if len(lines) > 20 {
		lines = lines[len(lines)-20:]
	}
	return string(bytes.Join(lines, []byte("\n")))
}

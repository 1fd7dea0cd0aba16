package command

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tandem/internal/secret"
)

const (
	// killGrace is how long a killed program may take to be gone.
	killGrace = time.Second
	// drainGrace is how long its last words are waited for when it is gone.
	drainGrace = 200 * time.Millisecond
	// maxUnkillable is how many programs that would not die are borne; then no more are started.
	maxUnkillable = 8
)

// environment is all that a program gets: nothing of ours, and never the code, as /proc/PID/environ outlives it.
var environment = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C"}

// Program is a program that may be run many times, also at once.
type Program struct {
	path    string
	account *Account
	// unkillable counts the runs that were killed and are still there.
	unkillable atomic.Int32
}

// New is the program at an absolute path, to be run as account; see [CheckProgram] and [Account.Check].
func New(path string, account *Account) *Program { return &Program{path: path, account: account} }

// Call is one run of a program.
type Call struct {
	// Args are the arguments, without the program's name.
	Args []string
	// Code is the one that the run is about, at most 128 octets. It is taken out of what the program says.
	Code secret.String
	// OnStdin writes Code and a newline to the program's standard input, which is else empty.
	OnStdin bool
}

// Exit is how a program ended by itself.
type Exit struct {
	// Status is the exit status, -1 if there is none.
	Status int
	// Stderr is what it wrote to its standard error: the first 4 KiB, on one line, without the code.
	Stderr string
}

// Run runs the program until it ends, or ctx does. It gets a session and a process group of its own, "/" as its
// folder, [environment], and no open file but its standard input, a standard error that is read, and a standard
// output that nobody reads. When it has ended, and at the latest at ctx's end, all of its process group is killed.
// (What it puts into another group on purpose, with setsid, lives on, but is not waited for.)
//
// An error means that it did not run, or did not end by itself; Exit then still has what it wrote.
func (p *Program) Run(ctx context.Context, c Call) (Exit, error) {
	if err := ctx.Err(); err != nil {
		return Exit{Status: -1}, fmt.Errorf("%s was not started: %w", p.path, err)
	}
	if n := p.unkillable.Load(); n >= maxUnkillable {
		return Exit{Status: -1}, fmt.Errorf("%s was not started: %d earlier runs of it cannot be killed: look for them with ps", p.path, n)
	}
	// The kernel kills the program when the thread that started it ends (Pdeathsig), so that thread stays here.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	words, process, err := p.start(c)
	if err != nil {
		return Exit{Status: -1}, fmt.Errorf("start %s: %w", p.path, err)
	}
	status, err := p.await(ctx, process)
	exit := Exit{Status: status, Stderr: words.take(c.Code.Reveal())}
	if err != nil {
		return exit, fmt.Errorf("%s %w", p.path, err)
	}
	return exit, nil
}

// start starts the program, and to listen to it.
func (p *Program) start(c Call) (*words, *os.Process, error) {
	in, err := c.input()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = out.Close() }()
	heard, spoken, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = spoken.Close() }()

	// Go opens files so that programs do not inherit them; this is for those that it did not open. A kernel before
	// 5.11 cannot, and says so.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)

	process, err := os.StartProcess(p.path, append([]string{p.path}, c.Args...), &os.ProcAttr{
		Dir: "/", Env: environment, Files: []*os.File{in, out, spoken},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Credential: p.account.of()},
	})
	if err != nil {
		_ = heard.Close()
		return nil, nil, bare(err)
	}
	return listen(heard), process, nil
}

// input is what the program reads. The pipe holds a whole code, so that nobody waits for the program to read it.
func (c Call) input() (*os.File, error) {
	if !c.OnStdin {
		return os.Open(os.DevNull)
	}
	in, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = write.WriteString(c.Code.Reveal() + "\n")
	if err := errors.Join(err, write.Close()); err != nil {
		_ = in.Close()
		return nil, fmt.Errorf("hand over the code: %w", err)
	}
	return in, nil
}

// await waits for the program's end, or kills it, and returns its exit status.
//
// Its process group has its number for certain only until it is reaped: then the number may be given to somebody
// else's. So the end is waited for without reaping first.
func (p *Program) await(ctx context.Context, process *os.Process) (status int, err error) {
	ended := make(chan struct{})
	go func() { // ends with the process
		defer close(ended)
		for errors.Is(unix.Waitid(unix.P_PID, process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		}
	}()
	select {
	case <-ended:
		return reap(process)
	case <-ctx.Done():
	}
	kill(process)
	grace := time.NewTimer(killGrace)
	defer grace.Stop()
	select {
	case <-ended:
		_, _ = reap(process)
		return -1, fmt.Errorf("was killed: %w", ctx.Err())
	case <-grace.C:
	}
	p.unkillable.Add(1)
	go func() { // ends with the process
		<-ended
		_, _ = reap(process)
		p.unkillable.Add(-1)
	}()
	return -1, fmt.Errorf("cannot be killed (process %d: is it set-user-ID, or does it wait for a disk?): %w", process.Pid, ctx.Err())
}

// reap takes the exit status of a process that has ended, and kills what is left of its group.
func reap(process *os.Process) (status int, err error) {
	kill(process)
	state, err := process.Wait()
	if err != nil {
		return -1, fmt.Errorf("was lost: %w", err)
	}
	if !state.Exited() {
		return -1, fmt.Errorf("ended by %s", state)
	}
	return state.ExitCode(), nil
}

// kill kills the group of a process that has not been reaped. There may be nobody left in it.
func kill(process *os.Process) { _ = unix.Kill(-process.Pid, unix.SIGKILL) }

// Package proc runs the programs of the benchmark, each on a core of its own, and reads what they use.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program that was started here.
type Process struct {
	// Name is the program's, for messages.
	Name  string
	cmd   *exec.Cmd
	said  *tail
	ended chan struct{} // closed once it has ended
}

// Start runs a program on one core, or on any if core is negative. It dies with this program.
func Start(core int, name string, args ...string) (*Process, error) {
	path, args := name, append([]string(nil), args...)
	if core >= 0 {
		path, args = "taskset", append([]string{"-c", strconv.Itoa(core), name}, args...)
	}
	p := &Process{Name: filepath.Base(name), cmd: exec.Command(path, args...), said: new(tail), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	// Its environment is its own: PATH, and nothing that would tune it.
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	p.cmd.WaitDelay = time.Second // for children of its own that still hold its output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.Name, err)
	}
	go func() { // ends with the process, which Stop ends
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// WaitFor polls until ready returns nil.
func (p *Process) WaitFor(patience time.Duration, ready func() error) error {
	for deadline := time.Now().Add(patience); ; {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s has ended before it was ready: %s", p.Name, p.said)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v: %w: %s", p.Name, patience, err, p.said)
		}
	}
}

// Stop ends the process, kindly at first.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// Running reports whether it still runs, and if not, says what it said last.
func (p *Process) Running() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended: %s", p.Name, p.said)
	default:
		return nil
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// CPU is the processor time, user and system, that all threads have used since the start, the ended ones too. It
// reads the process's own clock (clock_getcpuclockid(3)), which is exact to nanoseconds; /proc/PID/stat counts ticks of 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	var t unix.Timespec
	const wholeProcess = 2 // CPUCLOCK_SCHED, and not of one thread
	if err := unix.ClockGettime(int32(^p.PID()<<3|wholeProcess), &t); err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", p.Name, err)
	}
	return time.Duration(t.Nano()), nil
}

// Memory is the resident memory in octets: now, and the most there was.
func (p *Process) Memory() (now, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		return 0, 0, fmt.Errorf("memory of %s: %w", p.Name, err)
	}
	now, err = kilobytes(status, "VmRSS:")
	if err == nil {
		peak, err = kilobytes(status, "VmHWM:")
	}
	return now, peak, err
}

// CoreBusy is for how long a core has been busy since the machine started, with whatever, to 10 ms.
func CoreBusy(core int) (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(stat)) {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != "cpu"+strconv.Itoa(core) {
			continue
		}
		ticks := 0
		for i, field := range fields[1:9] { // user nice system idle iowait irq softirq steal
			n, err := strconv.Atoi(field)
			if err != nil {
				return 0, fmt.Errorf("/proc/stat: %w", err)
			}
			if i != 3 && i != 4 {
				ticks += n
			}
		}
		return time.Duration(ticks) * time.Second / 100, nil // USER_HZ
	}
	return 0, fmt.Errorf("/proc/stat: there is no core %d", core)
}

func kilobytes(status []byte, key string) (int64, error) {
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte(key)); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(value)), " kB"), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc says nothing of " + key)
}

// PinSelf moves every thread of this program to one core, and those that it starts later with them.
func PinSelf(core int) error {
	var set unix.CPUSet
	set.Set(core)
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(filepath.Base(thread))
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move this program to core %d: %w", core, err)
		}
	}
	return nil
}

// tail keeps the last of what a program says.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const keep = 2000

// Write implements [io.Writer].
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if n := len(t.kept); n > keep {
		t.kept = append(t.kept[:0], t.kept[n-keep:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}

package bolt

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An asyncSync has the kernel sync a file while a goroutine waits for that as it would for the network: by Linux's asynchronous
// I/O (io_submit(2), IOCB_CMD_FDSYNC; since Linux 4.18), whose outcome is announced by an eventfd.
//
// fdatasync(2) holds a thread, and its processor too until the runtime's watchdog has noticed. On one core a commit for each
// login keeps that watchdog awake, 7,000 times a second at a thousand logins, and hands the processor from thread to thread: a
// quarter or more of what such a login costs (docs/performance.md). What is synced, and which errors are told, is the same: the kernel calls the
// same function with the same open file.
//
// It is for one goroutine.
type asyncSync struct {
	context uintptr // aio_context_t
	event   *os.File
	// request and outcome are the kernel's struct iocb and struct io_event (linux/aio_abi.h).
	request struct {
		data, _       uint64
		command       uint16
		_             int16
		file          uint32
		_, _, _, _    uint64
		flags, signal uint32
	}
	outcome struct {
		data, _ uint64
		result  int64
		_       int64
	}
	counter [8]byte // what is read of event
	// ready: no sync is under way or has left anything behind, and the kernel has refused none.
	ready bool
}

const (
	commandFDSync = 3 // IOCB_CMD_FDSYNC
	flagSignal    = 1 // IOCB_FLAG_RESFD
)

// newAsyncSync returns an error where the kernel, or what confines this process, does not let it.
func newAsyncSync() (*asyncSync, error) {
	descriptor, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	a := &asyncSync{event: os.NewFile(uintptr(descriptor), "eventfd"), ready: true}
	a.request.command, a.request.flags, a.request.signal = commandFDSync, flagSignal, uint32(descriptor)
	if err := a.event.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("poll the eventfd: %w", errors.Join(err, a.event.Close()))
	}
	if _, _, errno := unix.Syscall(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&a.context)), 0); errno != 0 { //nolint:gosec // the kernel writes the context there
		return nil, fmt.Errorf("io_setup: %w", errors.Join(errno, a.event.Close()))
	}
	return a, nil
}

// sync puts what was written to file on stable storage. If begun is false, it has done nothing and the kernel cannot do
// it this way: err says why. Unless ready is true afterwards, it must not be called again.
func (a *asyncSync) sync(file uintptr) (begun bool, err error) {
	a.ready = false
	request := &a.request
	request.data++
	request.file = uint32(file)
	if _, _, errno := unix.RawSyscall(unix.SYS_IO_SUBMIT, a.context, 1, uintptr(unsafe.Pointer(&request))); errno != 0 { //nolint:gosec // an array of one request
		return false, fmt.Errorf("io_submit: %w", errno)
	}
	if _, err := a.event.Read(a.counter[:]); err != nil {
		return true, fmt.Errorf("wait for the sync: %w", err)
	}
	var now unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_IO_GETEVENTS, a.context, 1, 1,
		uintptr(unsafe.Pointer(&a.outcome)), uintptr(unsafe.Pointer(&now)), 0) //nolint:gosec // an array of one outcome
	switch {
	case errno != 0:
		return true, fmt.Errorf("io_getevents: %w", errno)
	case n != 1 || a.outcome.data != request.data:
		return true, fmt.Errorf("io_getevents: %d events, of sync %d, want that of %d", n, a.outcome.data, request.data)
	}
	a.ready = true
	if a.outcome.result < 0 {
		return true, os.NewSyscallError("fdatasync", unix.Errno(-a.outcome.result))
	}
	return true, nil
}

// close waits for what was begun.
func (a *asyncSync) close() error {
	err := a.event.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IO_DESTROY, a.context, 0, 0); errno != 0 {
		err = errors.Join(err, fmt.Errorf("io_destroy: %w", errno))
	}
	return err
}

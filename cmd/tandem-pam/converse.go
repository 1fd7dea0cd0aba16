package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tandem/internal/secret"
	"tandem/pamhelper"
	"tandem/verify"
)

// rejectDelay is the time that every reject takes at least, where this process is the one that answers.
const rejectDelay = time.Second

// converse is the helper of pam_tandem.so: one conversation on the socket that is standard input.
func converse(ctx context.Context, path string, stdin *os.File) error {
	s, err := loadSettings(path)
	if err != nil {
		return err
	}
	conn, err := net.FileConn(stdin)
	if err != nil {
		return fmt.Errorf("standard input is not the socket of pam_tandem.so: %w", err)
	}
	module, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("standard input is not the socket of pam_tandem.so")
	}
	defer func() { _ = module.Close() }()
	if s.Mode == modeSocket {
		return relay(ctx, s.Socket, module)
	}
	core, closeCore, err := s.core(ctx)
	if err != nil {
		return err
	}
	door := pamhelper.Door{Core: core, Log: logger(), RejectDelay: rejectDelay, QRCode: core.qrCode}
	return errors.Join(door.Converse(ctx, module), closeCore())
}

// core is who decides in the modes core and radius.
func (s *settings) core(ctx context.Context) (core decider, closeCore func() error, err error) {
	if s.Mode == modeCore {
		return ownCore(ctx, s.Config, logger())
	}
	return decider{Core: &remoteCore{s.Radius}}, func() error { return nil }, nil
}

// relay carries frames between the module and the tandemd of this host. It understands none of them.
func relay(ctx context.Context, socket string, module *net.UnixConn) error {
	daemon, err := pamhelper.Dial(socket)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(daemon.Close(), module.Close()) })
	defer stop()
	ended := make(chan error, 2)
	carry := func(to, from *net.UnixConn) {
		_, err := io.Copy(to, from)
		ended <- errors.Join(err, to.CloseWrite())
	}
	go carry(daemon, module)
	go carry(module, daemon)
	err = <-ended
	// Whichever side went first, the other has nobody to talk to any more.
	_ = daemon.Close()
	_ = module.CloseRead()
	err = errors.Join(err, <-ended)
	if errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.EPIPE) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// execute answers pam_exec: the password on standard input has the code behind it, since pam_exec cannot ask
// again.
func execute(ctx context.Context, path string, stdin io.Reader) (int, error) {
	if t := os.Getenv("PAM_TYPE"); t != "auth" {
		return exitUsage, fmt.Errorf("PAM_TYPE is %.40q: this is for auth lines of pam_exec, with expose_authtok", t)
	}
	s, err := loadSettings(path)
	if err != nil {
		return exitFailed, err
	}
	typed, err := io.ReadAll(io.LimitReader(stdin, 1<<10))
	if err != nil {
		return exitFailed, fmt.Errorf("read the password that pam_exec passes on: %w", err)
	}
	a := verify.Attempt{
		Door: "pam", Client: "pam", NAS: "pam_exec", Source: os.Getenv("PAM_RHOST"), Service: os.Getenv("PAM_SERVICE"),
		User: os.Getenv("PAM_USER"), Secret: secret.New(strings.TrimRight(string(typed), "\x00")),
	}
	if s.Mode == modeSocket {
		return executeOverSocket(s.Socket, a)
	}
	core, closeCore, err := s.core(ctx)
	if err != nil {
		return exitFailed, err
	}
	began := time.Now()
	v := core.Start(ctx, a)
	err = closeCore()
	switch v.Outcome {
	case verify.Accept:
		return exitDone, err
	case verify.Challenge:
		return exitDenied, errors.Join(err, errors.New("a code is wanted, and pam_exec cannot ask for it: it belongs behind the password"))
	case verify.Unavailable:
		return exitFailed, err
	case verify.Reject:
	}
	time.Sleep(time.Until(began.Add(rejectDelay)))
	return exitDenied, err
}

func executeOverSocket(socket string, a verify.Attempt) (int, error) {
	daemon, err := pamhelper.Dial(socket)
	if err != nil {
		return exitFailed, err
	}
	defer func() { _ = daemon.Close() }()
	in, err := pamhelper.Ask(daemon, a)
	switch {
	case err != nil:
		return exitFailed, err
	case in:
		return exitDone, nil
	}
	return exitDenied, nil
}

package main

import (
	"fmt"

	"tandem/directory"
	"tandem/internal/admin"
)

type resyncCmd struct {
	User   string `arg:"" help:"The user's name, as typed at a login."`
	Device string `arg:"" help:"The device's name, or its ID where several have that name."`
}

// Run asks for two codes in a row and has the daemon look for them far ahead.
func (c *resyncCmd) Run(e *env) error {
	return withDevice(e, c.User, c.Device, func(r *registry, u *directory.User, l listed) error {
		if l.State == stateUnreadable {
			return fmt.Errorf("the device %q of %s cannot be used: %s", l.Name, u.Name, l.Why)
		}
		if l.Type != directory.TypeTOTP && l.Type != directory.TypeHOTP {
			return fmt.Errorf("the device %q of %s is of type %s, which has no counter that could be moved: there is nothing to catch up with", l.Name, u.Name, l.Type)
		}
		if err := r.daemonRuns(); err != nil {
			return err
		}
		codes, err := askCodes(newAsker(e), l.Type == directory.TypeHOTP, "A code of the device: ")
		if err != nil {
			return err
		}
		reply, err := r.ask(admin.Request{
			Op: admin.OpResync, User: u.Name, DeviceID: l.ID, Codes: codes, Device: &admin.Device{Type: l.Type, Name: l.Name},
		})
		if err != nil {
			return fmt.Errorf("resync %q of %s: %w", l.Name, u.Name, err)
		}
		_, err = fmt.Fprintf(e.stdout, "%q of %s was %s and is caught up with: both codes are used up, the next one will be accepted.\n", l.Name, reply.Account, reply.Message)
		return err
	})
}

// askCodes asks for a code, and for the one after it if the device counts.
func askCodes(a *asker, counts bool, prompt string) (codes []string, err error) {
	prompts := []string{prompt}
	if counts {
		prompts = append(prompts, "And once more, the next code: ")
	}
	for _, p := range prompts {
		code, err := a.askOpenly(p)
		if err != nil {
			return nil, err
		}
		codes = append(codes, code)
	}
	return codes, nil
}

package main

import (
	"encoding/json"
	"fmt"
	"time"

	"tandem/internal/admin"
	"tandem/internal/config"
)

type unlockCmd struct {
	User string `arg:"" help:"The user's name, as typed at a login."`
	JSON bool   `help:"Print the result as JSON."`
}

// Run asks the daemon to empty the user's throttle.
func (c *unlockCmd) Run(e *env) error {
	client, err := dialDaemon(e)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	reply, err := client.Do(admin.Request{Op: admin.OpUnlock, User: c.User}, nil)
	if err != nil {
		return fmt.Errorf("unlock %s: %w", c.User, err)
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(reply)
	}
	if reply.Until != nil {
		_, err = fmt.Fprintf(e.stdout, "%s may try again now; strangers' failures would have shut them out until %s.\n",
			reply.Account, reply.Until.Local().Format(time.DateTime))
	} else {
		_, err = fmt.Fprintf(e.stdout, "%s may try again now, from anywhere.\n", reply.Account)
	}
	return err
}

// dialDaemon connects to the daemon that runs with this configuration.
func dialDaemon(e *env) (*admin.Client, error) {
	c, err := config.Load(e.config)
	if err != nil {
		return nil, err
	}
	return admin.Dial(c.Admin.Socket)
}

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"tandem/internal/admin"
	"tandem/verify"
)

type userCmd struct {
	User string `arg:"" help:"The user's name, as typed at a login."`
	JSON bool   `help:"Print it as JSON."`
}

// Run asks the daemon what it sees of the user.
func (c *userCmd) Run(e *env) error {
	client, err := dialDaemon(e)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	reply, err := client.Do(admin.Request{Op: admin.OpDescribe, User: c.User}, nil)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(struct {
			*verify.Description
			RecoveryLeft int `json:"recovery_codes_left"`
		}{reply.Description, reply.Left})
	}
	_, err = fmt.Fprint(e.stdout, describeUser(reply.Description, reply.Left))
	return err
}

// describeUser puts it into words.
func describeUser(d *verify.Description, recoveryLeft int) string {
	s := new(sheet)
	s.say("user", fmt.Sprintf("%s, id %s", d.Name, d.ID))
	for _, of := range []struct{ label, text string }{{"dn", d.DN}, {"mail", d.Mail}, {"phone", d.Phone}} {
		if of.text != "" {
			s.say(of.label, of.text)
		}
	}
	if len(d.Groups) > 0 {
		s.say("groups", listGroups(d.Groups)...)
	} else {
		s.say("groups", "none")
	}
	ending := fmt.Sprintf("%s: a login would end with %s", cmp.Or(d.Policy, "none holds"), d.Reason)
	if why := cmp.Or(d.Detail, endings[d.Reason]); why != "" {
		ending += " (" + why + ")"
	}
	s.say("policy", ending, "through a client or a service: tandem policy test "+d.Name+" --client …")
	if len(d.Devices) == 0 {
		s.say("devices", "none")
	} else {
		s.say("devices", columns(describedRows(d.Devices))...)
	}
	s.say("recovery", fmt.Sprintf("%d codes left", recoveryLeft))
	s.say("throttle", describeThrottle(d.Throttle))
	return s.String()
}

func describedRows(devices []verify.DescribedDevice) [][]string {
	rows := make([][]string, 1, 1+len(devices))
	rows[0] = []string{"DEVICE", "WHERE", "REGISTERED", "LAST USE"}
	for _, d := range devices {
		last := "never"
		switch u := d.LastUse; {
		case d.Factor == "" || d.Problem != "":
			last = d.Problem
		case u == nil:
		case !u.At.IsZero():
			last = "code of " + u.At.Local().Format(time.DateTime)
		case u.Counter != nil:
			last = fmt.Sprintf("next counter %d", *u.Counter)
		default:
			last = u.Text
		}
		what := strings.TrimSpace(d.Type + " " + fmt.Sprintf("%q", d.Name))
		rows = append(rows, []string{what, orDash(d.Source), day(d.Registered), last})
	}
	return withoutEmpty(rows)
}

func describeThrottle(t verify.DescribedThrottle) string {
	counted := fmt.Sprintf("%d of %d failures count, over all sources", t.Failures, t.Burst)
	switch {
	case t.Error != "":
		return counted + "; " + t.Error
	case t.Until.IsZero():
		return counted + "; may try now"
	}
	return counted + "; refused until " + t.Until.Local().Format(time.DateTime) + ", but from where they logged in lately: tandem unlock ends it"
}

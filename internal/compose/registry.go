package compose

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"tandem/directory"
	"tandem/directory/file"
	"tandem/directory/ldap"
	"tandem/internal/config"
	"tandem/verify"
)

// Registry is a directory for commands that look after devices: it finds users, and writes what they hold.
type Registry interface {
	Lookup(ctx context.Context, name string) (*directory.User, error)
	ChangeDevices(ctx context.Context, u *directory.User, c directory.Change) error
}

// Describer is a [Registry] that can say what an administrator with other rights would have to apply: LDIF.
type Describer interface {
	Registry
	ChangeLDIF(ctx context.Context, u *directory.User, c directory.Change) (string, error)
}

var (
	_ Registry  = (*file.Directory)(nil)
	_ Describer = (*ldap.Directory)(nil)
)

// OpenRegistry opens the configured directory for a command. Close it when it is no longer used.
func OpenRegistry(c *config.Config, log *slog.Logger) (r Registry, closeIt func() error, err error) {
	d, closeIt, err := Directory(c, time.Now, log)
	if err != nil {
		return nil, nil, err
	}
	return d.(Registry), closeIt, nil // which the guards above hold
}

// DeviceRules are those for all of users' devices.
func DeviceRules(c *config.Config) (verify.Devices, error) {
	label, err := c.Devices.LabelTemplate(c.Directory.ExtraAttributes())
	if err != nil {
		return verify.Devices{}, fmt.Errorf("devices.label: %w", err)
	}
	return verify.Devices{
		Issuer: c.Devices.Issuer, Label: label, Name: c.Devices.Name, Most: c.Devices.Max, DeleteExpired: c.Devices.DeleteExpired,
		TTL: map[string]time.Duration{
			directory.TypeTOTP: c.Devices.TTL.TOTP, directory.TypeHOTP: c.Devices.TTL.HOTP, directory.TypeYubikey: c.Devices.TTL.Yubikey,
		},
	}, nil
}

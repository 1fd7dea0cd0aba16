package config

// PAM is the door for this host's ssh, sudo and whatever else asks pam_tandem.so.
type PAM struct {
	// Socket is where pam_tandem.so asks; empty: the door is closed. Root and this daemon's user own its folder.
	// Default: empty. Reload: needs a restart.
	Socket string `toml:"socket" reload:"restart"`
	// PasswordHelper is the program that checks local passwords, for policies with first_factor = "pam".
	// Default: /usr/libexec/tandem/tandem-pam. Reload: taken over.
	PasswordHelper string `toml:"password_helper"`
	// PasswordService is the PAM service, a file in /etc/pam.d, that it asks.
	// Default: tandem-password. Reload: taken over.
	PasswordService string `toml:"password_service"`
	// QRCode draws a QR code into the prompt of a user who enrols a device at the login; else there is its text alone.
	// Default: true. Reload: needs a restart.
	QRCode bool `toml:"qr_code" reload:"restart"`
}

// SetDefaults implements [tomlfile.Defaulter].
func (p *PAM) SetDefaults() {
	*p = PAM{PasswordHelper: "/usr/libexec/tandem/tandem-pam", PasswordService: "tandem-password", QRCode: true} //nolint:gosec // a PAM service, no password
}

func (c *checker) pam(p *PAM) {
	if p.Socket != "" {
		c.path("pam.socket", &p.Socket)
		c.socketLength("pam.socket", p.Socket)
	}
	c.path("pam.password_helper", &p.PasswordHelper)
	if p.PasswordService == "" {
		c.missing("pam.password_service", "name a file of /etc/pam.d")
	}
}

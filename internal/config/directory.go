package config

// Directory is where users, their passwords and their devices come from.
type Directory struct {
	// Type is ldap or file. The block of that name, and only that one, must be there.
	// Required. Reload: taken over.
	Type string         `toml:"type"`
	File *DirectoryFile `toml:"file"`
	LDAP *LDAP          `toml:"ldap"`
}

// DirectoryFile is a directory in a file of users.
type DirectoryFile struct {
	// Path is the users file. It is read anew when it changes.
	// Required. Reload: taken over.
	Path string `toml:"path"`
}

// ExtraAttributes are those of users that are read beyond the usual ones; nil if any may be there.
func (d *Directory) ExtraAttributes() []string {
	if d.LDAP == nil {
		return nil
	}
	return d.LDAP.Attributes.Extra
}

func (c *checker) directory(d *Directory) {
	c.oneOf("directory.type", d.Type, "ldap", "file")
	if d.File != nil {
		c.path("directory.file.path", &d.File.Path)
	}
	if d.LDAP != nil {
		c.ldap(d.LDAP)
	}
	switch d.Type {
	case "file":
		if d.File == nil {
			c.Errorf("directory.file", `is missing: add [directory.file] with path = "users.toml"`)
		}
		if d.LDAP != nil {
			c.Errorf("directory.ldap", `is not used with type = "file": remove it, or change the type`)
		}
	case "ldap":
		if d.LDAP == nil {
			c.Errorf("directory.ldap", "is missing: add [directory.ldap] with urls and base")
		}
		if d.File != nil {
			c.Errorf("directory.file", `is not used with type = "ldap": remove it, or change the type`)
		}
	}
}

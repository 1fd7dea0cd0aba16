package config

import (
	"os"
	"path/filepath"
	"strings"

	"tandem/internal/secret"
	"tandem/internal/tomlfile"
)

// maxSecretBytes is the largest secret that is read from a file.
const maxSecretBytes = 4096

// credentialsVariable is the folder in which systemd puts what LoadCredential= names (systemd.exec(5)).
// It is the one variable that is expanded, at the start of the path of a secret file.
const credentialsVariable = "${CREDENTIALS_DIRECTORY}"

// secret completes a secret that key gives, or else the file that fileKey names. Without either,
// it is an error if required.
func (c *checker) secret(key string, value *secret.String, fileKey string, path *string, required bool) {
	inline, inFile := c.has(key), c.has(fileKey)
	short, shortFile := key[strings.LastIndexByte(key, '.')+1:], fileKey[strings.LastIndexByte(fileKey, '.')+1:]
	switch {
	case inline && inFile:
		c.Errorf(fileKey, "stands beside %s: keep one of them", short)
	case inFile:
		c.secretFile(fileKey, value, path)
	case inline && value.Empty():
		c.Errorf(key, `is empty: write the secret, or %s = "its file"`, shortFile)
	case !inline && required:
		c.Errorf(key, `is missing: write %s = "its file", or %s = "the secret"`, shortFile, short)
	}
}

func (c *checker) secretFile(key string, value *secret.String, path *string) {
	if rest, ok := strings.CutPrefix(*path, credentialsVariable+"/"); ok {
		folder := os.Getenv("CREDENTIALS_DIRECTORY")
		if folder == "" {
			c.Errorf(key, "CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential=; elsewhere write the path itself")
			return
		}
		*path = filepath.Join(folder, rest)
	}
	if strings.Contains(*path, "${") {
		c.Errorf(key, "only %s/ at the start of a path is expanded: write the path itself", credentialsVariable)
		return
	}
	c.path(key, path)
	if *path == "" {
		return
	}
	text, err := tomlfile.ReadBytes(*path, tomlfile.Options{Private: true, MaxBytes: maxSecretBytes})
	if err != nil {
		c.Errorf(key, "%v", err)
		return
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	switch {
	case line == "":
		c.Errorf(key, "%s is empty: write the secret into it, on one line", *path)
	case strings.ContainsAny(line, "\r\n"):
		c.Errorf(key, "%s has more than one line: write the secret into it, on one line", *path)
	default:
		*value = secret.New(line)
	}
}

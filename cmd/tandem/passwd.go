package main

import (
	"crypto/rand"
	"errors"
	"fmt"

	"tandem/directory/password"
)

type passwdCmd struct {
	Algorithm string `short:"a" default:"argon2id" enum:"argon2id,bcrypt,sha512-crypt,yescrypt" help:"How to hash: ${enum} (default ${default})."`
}

// Run reads a password, twice from a terminal, and prints its hash.
func (c *passwdCmd) Run(e *env) error {
	a := newAsker(e)
	typed, err := a.ask("Password: ")
	if err != nil {
		return err
	}
	if typed == "" {
		return errors.New("an empty password is never accepted at a login; type one")
	}
	if _, person := a.terminal(); person {
		again, err := a.ask("Again: ")
		if err != nil {
			return err
		}
		if again != typed {
			return errors.New("the two passwords are not the same; nothing was made")
		}
	}
	hash, err := password.Hash(typed, c.Algorithm, rand.Reader)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stdout, hash)
	return err
}

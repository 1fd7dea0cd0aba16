package tomlfile

import (
	"errors"
	"fmt"
	"time"
)

// duration reads a [time.Duration]: "5s", "2m", "1h30m". A number without a unit is an error, and so is
// a negative length.
type duration time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *duration) UnmarshalText(text []byte) error {
	const remedy = `write it like "5s", "2m" or "1h30m"`
	parsed, err := time.ParseDuration(string(text))
	switch {
	case err != nil && lacksUnit(text):
		return fmt.Errorf(`a length of time needs a unit: write "%.40ss" if %.40s means seconds`, text, text)
	case err != nil:
		return fmt.Errorf("%.40q is not a length of time: %s", text, remedy)
	case parsed < 0:
		return errors.New("a length of time cannot be negative: " + remedy)
	}
	*d = duration(parsed)
	return nil
}

// lacksUnit reports whether text would be a length of time with a unit after it.
func lacksUnit(text []byte) bool {
	_, err := time.ParseDuration(string(text) + "s")
	return err == nil && len(text) > 0 && text[0] != '-'
}

package tokens

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
)

// records reads comma-separated values (RFC 4180) and calls each with every line's, without the white space around them.
func (r *reader) records(text string, separator rune, each func(line int, columns []string)) {
	c := csv.NewReader(strings.NewReader(text))
	c.Comma, c.Comment, c.FieldsPerRecord, c.TrimLeadingSpace = separator, '#', -1, separator != '\t'
	for {
		columns, err := c.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		var wrong *csv.ParseError
		if errors.As(err, &wrong) {
			r.fail(wrong.Line, "", "a quotation mark is in the wrong place: %v", wrong.Err)
			return
		}
		if err != nil {
			r.fail(0, "", "it cannot be read as comma-separated values")
			return
		}
		empty := true
		for i := range columns {
			columns[i] = strings.TrimSpace(columns[i])
			empty = empty && columns[i] == ""
		}
		if line, _ := c.FieldPos(0); !empty {
			each(line, columns)
		}
	}
}

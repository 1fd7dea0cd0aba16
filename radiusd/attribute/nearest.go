package attribute

import "strings"

// nearest returns the name in the table that name may be a misspelling of, or "" if none is like it.
func nearest(name string) string {
	name = strings.ToLower(name)
	found, least := "", len(name)/3+1
	for i := range table {
		candidate := table[i].name
		if difference := len(candidate) - len(name); difference >= least || -difference >= least {
			continue
		}
		if d := distance(name, strings.ToLower(candidate)); d < least {
			found, least = candidate, d
		}
	}
	return found
}

// distance is how many octets must be inserted, removed or replaced to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // distances of the beginning of a that was looked at to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

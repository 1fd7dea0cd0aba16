// Command shard simulates the plan beyond one cluster, which is not built: each user has a home, one of several
// clusters, found by a stable hash of the user's identifier.
//
// The hash is rendezvous hashing (highest random weight; Thaler and Ravishankar 1998): a user's home is the cluster
// whose SHA-256 with the user is the highest. Whoever knows the clusters' names finds the home, without a table.
// A cluster that is added takes users from all others, and nobody else moves; one that is removed gives its users
// to all others.
//
//	go run ./test/faults/shard            the table of docs/cluster.md
package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// users is how many are simulated, clusters how many clusters at most.
const (
	users    = 1_000_000
	clusters = 16
)

func main() {
	if err := printTable(os.Stdout, simulate(users, clusters)); err != nil {
		fmt.Fprintln(os.Stderr, "shard:", err)
		os.Exit(1)
	}
}

// score is how much a cluster attracts a user.
func score(cluster, user string) uint64 {
	sum := sha256.Sum256([]byte(cluster + "\x00" + user))
	return binary.BigEndian.Uint64(sum[:])
}

// A result is what so many clusters would mean.
type result struct {
	clusters int
	// least and most are the users of the cluster with the fewest and of that with the most, over the mean.
	least, most float64
	// moved is the share of users who get another home when one more cluster is added. strayed is how many of
	// them move between clusters that were there before: none should.
	moved   float64
	strayed int
	// modulo is moved for the hash that first comes to mind, the remainder of a division.
	modulo float64
}

// simulate gives n users a home among 1, 2, … most+1 clusters, and returns what 2 to most mean.
func simulate(n, most int) []result {
	names := make([]string, most+1)
	for c := range names {
		names[c] = fmt.Sprintf("cluster-%d", c+1)
	}
	// homes[k] counts the users of each cluster where there are k.
	homes := make([][]int, most+2)
	for k := range homes {
		homes[k] = make([]int, k)
	}
	moved, strayed, modulo := make([]int, most+2), make([]int, most+2), make([]int, most+2)
	for u := range n {
		user := fmt.Sprintf("user-%07d", u)
		best, home := uint64(0), 0
		remainder := score("", user)
		for k := 1; k <= most+1; k++ {
			before := home
			if s := score(names[k-1], user); s >= best {
				best, home = s, k-1
			}
			homes[k][home]++
			if k == 1 {
				continue
			}
			if home != before {
				moved[k-1]++
				if home != k-1 {
					strayed[k-1]++
				}
			}
			if remainder%uint64(k) != remainder%uint64(k-1) {
				modulo[k-1]++
			}
		}
	}
	var results []result
	for k := 2; k <= most; k++ {
		fewest, mostUsers := homes[k][0], homes[k][0]
		for _, h := range homes[k] {
			fewest, mostUsers = min(fewest, h), max(mostUsers, h)
		}
		mean := float64(n) / float64(k)
		results = append(results, result{
			clusters: k, least: float64(fewest) / mean, most: float64(mostUsers) / mean,
			moved: float64(moved[k]) / float64(n), strayed: strayed[k], modulo: float64(modulo[k]) / float64(n),
		})
	}
	return results
}

func printTable(w io.Writer, results []result) error {
	_, err := fmt.Fprint(w, "| clusters | fewest users, of the mean | most users, of the mean | move when one is added | least possible | with a remainder instead |\n"+
		"| --- | --- | --- | --- | --- | --- |\n")
	for _, r := range results {
		if err == nil {
			_, err = fmt.Fprintf(w, "| %d | %.2f %% | %.2f %% | %.2f %% | %.2f %% | %.0f %% |\n", r.clusters, 100*r.least, 100*r.most,
				100*r.moved, 100/float64(r.clusters+1), 100*r.modulo)
		}
	}
	return err
}

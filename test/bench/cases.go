package main

import (
	"time"

	"tandem/test/bench/peer"
	"tandem/test/bench/proc"
)

// How many users there are, where a case says nothing else: enough for one measurement in a time step, for a code is
// good once, and as many as a users file of Tandem's holds (64 MiB).
const (
	manyInFile      = 150_000
	manyInDirectory = 100_000
	// manyKnown are not more than Tandem's entry cache holds.
	manyKnown = 9_500
)

const (
	tandem     = "tandem"
	freeradius = "freeradius"
)

// cases lists what there is to run, in this order.
func cases() []benchCase {
	return []benchCase{
		{
			name: "load", about: "the load itself, against a responder that accepts everything",
			lines: []line{{label: "trivial responder", users: 1_000_000, start: trivialResponder(), work: closed()}},
			notes: []string{"What a server reaches below is its own limit as long as it is clearly less than this."},
		},
		{
			name: "file", about: "users in a file, password + TOTP, claims on disk before the answer",
			lines: []line{
				{label: tandem, users: manyInFile, start: onFile("", peer.Tandem{}), work: closed(), against: freeradius},
				{label: freeradius, users: manyInFile, start: radiusFile(false), work: closed()},
			},
			bars: []bar{
				{line: tandem, against: freeradius, metric: rate, least: 1.4},
				{line: tandem, against: freeradius, metric: cpu, most: 0.75},
			},
			notes: []string{
				"FreeRADIUS compares a cleartext password and claims nothing; Tandem's users file has hashes, here of the least cost.",
				"Tandem signs its answers (Message-Authenticator); Debian's FreeRADIUS 3.2.1 does not.",
			},
		},
		{
			name: "code", about: "the same without Tandem's password hash: code alone, claims on disk and in memory",
			lines: []line{
				{label: "on disk", users: manyInFile, start: onFile("code", peer.Tandem{CodeOnly: true}), work: work{outstanding: 64, credential: codeAlone}, against: freeradius},
				{label: "in memory", users: manyInFile, start: onFile("code, memory", peer.Tandem{CodeOnly: true, Memory: true}), work: work{outstanding: 64, credential: codeAlone}, against: freeradius},
				{label: freeradius, users: manyInFile, start: radiusFile(false), work: closed()},
			},
			bars: []bar{
				{line: "on disk", against: freeradius, metric: rate, least: 1.4},
				{line: "on disk", against: freeradius, metric: cpu, most: 0.75},
				{line: "in memory", against: freeradius, metric: rate, least: 2.0},
				{line: "in memory", against: freeradius, metric: cpu, most: 0.5},
			},
			notes: []string{"FreeRADIUS also compares a cleartext password here, which costs it next to nothing; no hash of Tandem's is that cheap."},
		},
		{
			name: "memory", about: "the same as file, Tandem's state file in memory",
			lines: []line{
				{label: tandem, users: manyInFile, start: onFile("memory", peer.Tandem{Memory: true}), work: closed(), against: freeradius},
				{label: freeradius, users: manyInFile, start: radiusFile(false), work: closed()},
			},
			bars: []bar{
				{line: tandem, against: freeradius, metric: rate, least: 2.0},
				{line: tandem, against: freeradius, metric: cpu, most: 0.5},
			},
			notes: []string{
				"Tandem has no switch that makes claims less durable. The state file is on /dev/shm: transactions, page",
				"writes and waiting for the group are as ever, and syncing costs nothing. A switch could leave out more.",
			},
		},
		{
			name: "file-1000", about: "the same as file, at 1,000 logins a second",
			lines: []line{
				{label: tandem, users: 10_000, start: onFile("", peer.Tandem{}), work: work{rate: 1000}, against: freeradius},
				{label: freeradius, users: 10_000, start: radiusFile(false), work: work{rate: 1000}},
			},
			bars: []bar{
				{line: tandem, against: freeradius, metric: p99, most: 1},
				{line: tandem, against: freeradius, metric: peak, most: 1},
			},
		},
		{
			name: "ldap", about: "users in slapd: search, bind as the user, TOTP",
			lines: []line{
				{label: tandem, users: manyInDirectory, start: onLDAP("", plainLDAP), work: closed(), against: freeradius},
				{label: freeradius, users: manyInDirectory, start: radiusLDAP("", plainLDAP), work: closed()},
			},
			bars: []bar{
				{line: tandem, against: freeradius, metric: rate, least: 1.3},
				{line: tandem, against: freeradius, metric: cpu, most: 0.7},
			},
		},
		{
			name: "ldap-known", about: "the same with the entry cache: every user has logged in less than a minute ago",
			lines: []line{
				{label: tandem, users: manyKnown, start: starter{"tandem, LDAP, entry cache", func(e *estate, users int) (*subject, error) {
					return e.onLDAP(users, plainLDAP, peer.Tandem{EntryCache: true})
				}}, work: work{outstanding: 64, known: true}, against: freeradius},
				{label: freeradius, users: manyKnown, start: radiusLDAP("", plainLDAP), work: closed()},
			},
			bars: []bar{
				{line: tandem, against: freeradius, metric: rate, least: 1.8},
				{line: tandem, against: freeradius, metric: cpu, most: 0.5},
			},
		},
		{
			name: "ldaps", about: "the same over TLS",
			lines: []line{
				{label: tandem, users: manyInDirectory, start: onLDAP("TLS", ldapTLS), work: closed(), against: freeradius},
				{label: freeradius, users: manyInDirectory, start: radiusLDAP("TLS", ldapTLS), work: closed()},
			},
		},
		{
			name: "ldap-1000", about: "the same as ldap, at 1,000 logins a second",
			lines: []line{
				{label: tandem, users: 10_000, start: onLDAP("", plainLDAP), work: work{rate: 1000}, against: freeradius},
				{label: freeradius, users: 10_000, start: radiusLDAP("", plainLDAP), work: work{rate: 1000}},
			},
			bars: []bar{
				{line: tandem, against: freeradius, metric: p99, most: 1},
				{line: tandem, against: freeradius, metric: peak, most: 1},
			},
		},
		{
			name: "ldap-far", about: "the directory is 10 ms away; 256 outstanding",
			lines: []line{
				{label: tandem, users: manyInDirectory, start: onLDAP("far", farLDAP), work: work{outstanding: 256}, against: freeradius},
				{label: freeradius, users: manyInDirectory, start: radiusLDAP("far", farLDAP), work: work{outstanding: 256}},
			},
			bars:  []bar{{line: tandem, against: freeradius, metric: rate, least: 3}},
			notes: []string{"Both as they are by default: FreeRADIUS has 32 threads, Tandem 64 connections to bind with."},
		},
		{
			name: "rejects", about: "wrong codes and wrong passwords, beside right ones, at 1,000 a second",
			lines: []line{
				{label: "tandem, right", users: 20_000, start: onFile("", peer.Tandem{}), work: work{rate: 1000}, against: "freeradius, right"},
				{label: "tandem, wrong code", users: 20_000, start: onFile("", peer.Tandem{}), work: work{rate: 1000, credential: wrongCode}, against: "freeradius, wrong code"},
				{label: "tandem, wrong password", users: 20_000, start: onFile("", peer.Tandem{}), work: work{rate: 1000, credential: wrongPassword}, against: "freeradius, wrong password"},
				{label: "freeradius, right", users: 20_000, start: radiusFile(false), work: work{rate: 1000}},
				{label: "freeradius, wrong code", users: 20_000, start: radiusFile(false), work: work{rate: 1000, credential: wrongCode}},
				{label: "freeradius, wrong password", users: 20_000, start: radiusFile(false), work: work{rate: 1000, credential: wrongPassword}},
			},
			bars: []bar{
				{line: "tandem, wrong code", against: "tandem, right", metric: cpu, most: 1},
				{line: "tandem, wrong password", against: "tandem, right", metric: cpu, most: 1},
			},
			notes: []string{"Both hold rejects back for a second."},
		},
		{
			name: "challenge", about: "two round trips: the password, then the code",
			lines: []line{
				{label: "challenge", users: manyInFile, start: onFile("challenge", peer.Tandem{Challenge: true}), work: work{outstanding: 64, credential: twoSteps}, against: "one round trip"},
				{label: "one round trip", users: manyInFile, start: onFile("", peer.Tandem{}), work: closed()},
			},
			notes: []string{"FreeRADIUS has no module that asks for a TOTP code in a challenge of its own."},
		},
		{
			name: "policies", about: "100 policies with rules, the last one holds",
			lines: []line{
				{label: "100 policies", users: manyInFile, start: onFile("policies", peer.Tandem{Policies: 100}), work: closed(), against: freeradius},
				{label: "1 policy", users: manyInFile, start: onFile("", peer.Tandem{}), work: closed(), against: freeradius},
				{label: freeradius, users: manyInFile, start: radiusFile(false), work: closed()},
			},
		},
		{
			name: "million", about: "10 thousand and 1 million users in the directory, at 1,000 logins a second",
			lines: []line{
				{label: "tandem, 10,000", users: 10_000, start: onLDAP("", plainLDAP), work: work{rate: 1000}, against: "freeradius, 10,000"},
				{label: "tandem, 1,000,000", users: 1_000_000, start: onLDAP("", plainLDAP), work: work{rate: 1000}, against: "freeradius, 1,000,000"},
				{label: "freeradius, 10,000", users: 10_000, start: radiusLDAP("", plainLDAP), work: work{rate: 1000}},
				{label: "freeradius, 1,000,000", users: 1_000_000, start: radiusLDAP("", plainLDAP), work: work{rate: 1000}},
			},
			bars: []bar{{line: "tandem, 1,000,000", against: "tandem, 10,000", metric: cpu, most: 1.2}},
		},
		{
			name: "users-file", about: "10 thousand and 250 thousand users in the users file, at 1,000 logins a second",
			lines: []line{
				{label: "tandem, 10,000", users: 10_000, start: onFile("", peer.Tandem{}), work: work{rate: 1000}, against: "freeradius, 10,000"},
				{label: "tandem, 250,000", users: 250_000, start: onFile("", peer.Tandem{}), work: work{rate: 1000}, against: "freeradius, 250,000"},
				{label: "freeradius, 10,000", users: 10_000, start: radiusFile(false), work: work{rate: 1000}},
				{label: "freeradius, 250,000", users: 250_000, start: radiusFile(false), work: work{rate: 1000}},
			},
			bars:  []bar{{line: "tandem, 250,000", against: "tandem, 10,000", metric: cpu, most: 1.2}},
			notes: []string{"A users file of Tandem's has at most 64 MiB, which is some 350,000 users of this kind: a million belong into a directory."},
		},
		{
			name: "etcd", about: "claims in etcd (one member), beside the state file",
			lines: []line{
				{label: "etcd", users: manyInFile, start: onEtcd(), work: closed(), against: "state file"},
				{label: "state file", users: manyInFile, start: onFile("", peer.Tandem{}), work: closed()},
			},
			notes: []string{"FreeRADIUS keeps no claims anywhere."},
		},
		{
			name: "slow", about: "2 of 100 users have a factor whose command takes 100 ms; the times are the others', at 500 logins a second",
			lines: []line{
				{label: tandem, users: 10_000, start: onFile("slow", peer.Tandem{Slow: true}), work: work{rate: 500, slow: true}, against: freeradius},
				{label: freeradius, users: 10_000, start: radiusFile(true), work: work{rate: 500, slow: true}},
			},
		},
		{
			name: "hashing", about: "password hashes as tandem passwd makes them (argon2id, 19 MiB, two passes)",
			lines: []line{
				{label: "argon2id", users: 500, start: onFile("costly", peer.Tandem{Costly: true}), work: work{outstanding: 8}, against: "least cost"},
				{label: "least cost", users: 20_000, start: onFile("", peer.Tandem{}), work: closed()},
			},
			notes: []string{"Hashing is the login, where there is any: the other cases leave it out on both sides."},
		},
		{
			name: "overload", about: "three times as many as it can answer, requests sent again after a second",
			lines: []line{
				{label: "tandem, closed loop", users: 250_000, start: onFile("", peer.Tandem{}), work: closed()},
				{label: "tandem, 3 ×", users: 250_000, start: onFile("", peer.Tandem{}), work: threeTimes("tandem, closed loop"), against: "tandem, closed loop"},
				{label: "freeradius, closed loop", users: 250_000, start: radiusFile(false), work: closed()},
				{label: "freeradius, 3 ×", users: 250_000, start: radiusFile(false), work: threeTimes("freeradius, closed loop"), against: "freeradius, closed loop"},
			},
			bars:  []bar{{line: "tandem, 3 ×", against: "tandem, closed loop", metric: rate, least: 0.8}},
			notes: []string{"A request that was decided twice would show as a reject."},
		},
	}
}

// threeTimes has so many sockets that none of their identifiers comes again while an answer to its last request may still
// be on its way, which would not be authentic for the next.
func threeTimes(of string) work {
	return work{times: 3, of: of, resend: time.Second, sockets: 256, lossy: true}
}

// The ways to a directory.
const (
	plainLDAP = "ldap"
	ldapTLS   = "ldaps"
	farLDAP   = "far"
)

// far is the round trip to a directory that is not in the next rack.
const far = 10 * time.Millisecond

// onFile is a tandemd with a users file.
func onFile(kind string, t peer.Tandem) starter {
	return starter{"tandem, users file, " + kind, func(e *estate, users int) (*subject, error) {
		t.Users = users
		s, err := e.tandem(t)
		return &subject{server: s}, err
	}}
}

// onEtcd is a tandemd that keeps its state in etcd.
func onEtcd() starter {
	return starter{"tandem, etcd", func(e *estate, users int) (*subject, error) {
		store, err := e.bench.place.Etcd()
		if err != nil {
			return nil, err
		}
		e.ends = append(e.ends, store.Stop)
		s, err := e.tandem(peer.Tandem{Users: users, Etcd: store})
		return &subject{server: s, beside: []*proc.Process{store.Process}}, err
	}}
}

// onLDAP is a tandemd whose users are in slapd.
func onLDAP(kind, way string) starter {
	return starter{"tandem, LDAP, " + kind, func(e *estate, users int) (*subject, error) {
		return e.onLDAP(users, way, peer.Tandem{})
	}}
}

func (e *estate) onLDAP(users int, way string, t peer.Tandem) (*subject, error) {
	d, url, err := e.way(users, way)
	if err != nil {
		return nil, err
	}
	t.Directory, t.URL = d, url
	s, err := e.tandem(t)
	return &subject{server: s, beside: []*proc.Process{d.Process}}, err
}

func radiusFile(slow bool) starter {
	name := "freeradius, files"
	if slow {
		name += ", slow"
	}
	return starter{name, func(e *estate, users int) (*subject, error) {
		s, err := e.bench.place.FreeRADIUSFiles(users, slow)
		return &subject{server: s}, err
	}}
}

func radiusLDAP(kind, way string) starter {
	return starter{"freeradius, LDAP, " + kind, func(e *estate, users int) (*subject, error) {
		d, url, err := e.way(users, way)
		if err != nil {
			return nil, err
		}
		s, err := e.bench.place.FreeRADIUSLDAP(d, url)
		return &subject{server: s, beside: []*proc.Process{d.Process}}, err
	}}
}

func trivialResponder() starter {
	return starter{"trivial responder", func(e *estate, _ int) (*subject, error) {
		s, err := e.bench.place.Trivial()
		return &subject{server: s}, err
	}}
}

// way returns the directory and the URL that leads to it.
func (e *estate) way(users int, way string) (*peer.Directory, string, error) {
	d, err := e.directory(users)
	if err != nil {
		return nil, "", err
	}
	switch way {
	case ldapTLS:
		return d, d.SecureURL, nil
	case farLDAP:
		proxy, err := peer.Delay(d.Addr.String(), far)
		if err != nil {
			return nil, "", err
		}
		e.ends = append(e.ends, func() { _ = proxy.Close() })
		return d, "ldap://" + proxy.Addr(), nil
	}
	return d, d.URL, nil
}

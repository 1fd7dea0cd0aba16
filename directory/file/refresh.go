package file

import (
	"os"
	"runtime/debug"
	"syscall"
	"time"
)

// lookEvery is how often the file is looked at, at most. An idle directory does not look at all.
const lookEvery = time.Second

// version tells one state of a file from another. The change time is part of it because an owner or
// mode that is mended changes nothing else.
type version struct {
	device, inode    uint64
	size             int64
	modified, status syscall.Timespec
	// missing says why there is no file.
	missing string
}

func versionOf(path string) version {
	info, err := os.Stat(path)
	if err != nil {
		return version{missing: err.Error()}
	}
	return versionIn(info)
}

func versionIn(info os.FileInfo) version {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return version{size: info.Size(), modified: syscall.NsecToTimespec(info.ModTime().UnixNano())}
	}
	return version{device: stat.Dev, inode: stat.Ino, size: stat.Size, modified: stat.Mtim, status: stat.Ctim}
}

// refresh reads the file again if it has changed. One look-up does that; others go on meanwhile with
// the users they have. A version is read once: a bad one is complained about once.
func (d *Directory) refresh() {
	if !d.refreshing.TryLock() {
		return
	}
	defer d.refreshing.Unlock()

	now := d.o.Now()
	if since := now.Sub(d.looked); since >= 0 && since < lookEvery {
		return
	}
	d.looked = now
	// The version is taken before the file is read. What is written in between is a version of its own.
	current := versionOf(d.o.Path)
	if current == d.seen {
		return
	}
	d.seen = current
	users, err := load(d.o.Path, d.o.Devices)
	if err != nil {
		d.o.Logger.Error("the changed users file cannot be used: the users read before stay until it is mended", "error", err)
		return
	}
	d.publish(users)
}

// publish makes users the ones that are looked up from now on.
func (d *Directory) publish(users *table) {
	d.users.Store(users)
	d.o.Logger.Info("users file read", "path", d.o.Path, "users", users.size())
	if users.weak > 0 {
		d.o.Logger.Warn("devices have a secret shorter than 128 bits, which can be guessed from seen codes: register them anew",
			"path", d.o.Path, "devices", users.weak, "first_user", users.firstWeak)
	}
	// Parsing a large file leaves garbage of many times its size, and nothing soon after needs that room.
	if d.seen.size > 1<<20 {
		debug.FreeOSMemory()
	}
}

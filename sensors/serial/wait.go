package serial

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	firstDelay = 250 * time.Millisecond
	lastDelay  = 10 * time.Second
	lookEvery  = 200 * time.Millisecond
	byIDFolder = "/dev/serial/by-id"
)

// devicePath returns the path that a configured device means: a bare name is one of /dev/serial/by-id,
// or of /dev when it starts with tty.
func devicePath(device string) string {
	switch {
	case strings.ContainsRune(device, '/'):
		return filepath.Clean(device)
	case strings.HasPrefix(device, "tty"):
		return filepath.Join("/dev", device)
	}
	return filepath.Join(byIDFolder, device)
}

// sight is what can be seen of a device's node without opening it. Two looks that are equal give no
// reason to try again.
type sight struct {
	there    bool
	device   uint64
	inode    uint64
	mode     os.FileMode
	uid, gid uint32
}

func lookAt(path string) sight {
	info, err := os.Stat(path)
	if err != nil {
		return sight{}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return sight{there: true}
	}
	return sight{there: true, device: stat.Rdev, inode: stat.Ino, mode: info.Mode(), uid: stat.Uid, gid: stat.Gid}
}

// pause waits until d has passed, the node at path is no longer as seen, or ctx ends.
func pause(ctx context.Context, path string, seen sight, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-look.C:
			if lookAt(path) != seen {
				return
			}
		}
	}
}

// jitter returns d less up to a quarter, so that sources do not retry in step.
func jitter(d time.Duration) time.Duration {
	return d - time.Duration(rand.Int64N(int64(d/4)+1)) //nolint:gosec // spreads retries, guards nothing
}

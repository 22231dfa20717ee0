package serial

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// errMoved says that the path leads to another device than the open one.
var errMoved = errors.New("another device is behind the path")

// explain returns the state that err means and what people should know of it. The text does not
// change while the trouble lasts.
func explain(err error, path string) (state, text, hint string) {
	switch {
	case err == nil, errors.Is(err, errMoved):
		return stateRetrying, path + ": another device is behind the path", ""
	case errors.Is(err, errNotPort):
		return stateRetrying, err.Error(), "set device to a serial port such as /dev/ttyUSB0"
	case errors.Is(err, syscall.ENOTTY):
		return stateRetrying, path + " is not a serial port", "set device to a serial port such as /dev/ttyUSB0"
	case errors.Is(err, fs.ErrNotExist):
		return stateWaiting, path + " is not there", portsHint()
	case errors.Is(err, fs.ErrPermission):
		return stateRetrying, path + ": permission denied", permissionHint(path)
	case errors.Is(err, syscall.EBUSY):
		return stateRetrying, path + " is in use by another program",
			"find it with: sudo fuser -v " + path + " (ModemManager and getty take ports, too)"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EIO), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return stateWaiting, path + ": the device is gone", "plug it in again; reading goes on by itself"
	}
	return stateRetrying, fmt.Sprintf("%s: %v", path, err), ""
}

// permissionHint names the command that gives this user the right to open the port.
func permissionHint(path string) string {
	group, name := "dialout", "$USER"
	if info, err := os.Stat(path); err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Gid != 0 && info.Mode().Perm()&0o060 == 0o060 {
			if g, err := user.LookupGroupId(strconv.FormatUint(uint64(stat.Gid), 10)); err == nil {
				group = g.Name
			}
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	return fmt.Sprintf("this user must be in the group %s: sudo usermod -aG %s %s, then log in again or restart the service",
		group, group, name)
}

// portsHint names the ports that are there.
func portsHint() string {
	var found []string
	for _, pattern := range []string{byIDFolder + "/*", "/dev/ttyUSB*", "/dev/ttyACM*"} {
		if paths, err := filepath.Glob(pattern); err == nil {
			found = append(found, paths...)
		}
	}
	if len(found) == 0 {
		return "is it plugged in? no USB serial port is there; reading starts by itself when it appears"
	}
	const most = 6
	if len(found) > most {
		found = append(found[:most:most], "…")
	}
	return "ports that are there: " + strings.Join(found, " ")
}
